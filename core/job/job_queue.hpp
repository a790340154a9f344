#pragma once
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <optional>

#include "core/job/job.hpp"

namespace tine {

/// Jobs in line: higher priority first, then the older id. Removing is left to the reader: pop() skips what
/// `still_wanted` denies, so cancelling one of a million costs nothing.
class JobQueue {
 public:
  void push(JobId id, std::int32_t priority);
  /// To the head of its priority: a job that was taken out and not begun.
  void push_front(JobId id, std::int32_t priority);
  /// The first job that is still wanted; what is not is dropped on the way.
  std::optional<JobId> pop(const std::function<bool(JobId)>& still_wanted);
  bool is_empty() const { return lines_.empty(); }
  /// Of what is in line, wanted or not. Not for an empty queue.
  std::int32_t highest_priority() const { return lines_.begin()->first; }

 private:
  std::map<std::int32_t, std::deque<JobId>, std::greater<>> lines_;
};

}  // namespace tine
