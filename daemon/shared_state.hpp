#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "core/job/job.hpp"
#include "core/shared/job_mark.hpp"

namespace tine {

/// The daemon's part in the memory that jobs share: its budget, what an earlier boot or daemon left, and what
/// a job that has ended still holds. All of it on a thread of its own: a process that is stopped in the
/// middle of a write must not stop the loop.
class SharedState {
 public:
  using Attempt = std::pair<JobId, std::uint32_t>;

  /// `running`: attempts that an earlier daemon started and that still run; what all others hold is freed.
  /// Leaves a link beside the socket when that is not in the state dir, so that jobs find the memory.
  SharedState(std::string state_dir, std::string socket_path, std::uint64_t budget_bytes,
              std::set<Attempt> running);
  /// Waits a moment for what it is at.
  ~SharedState();
  SharedState(const SharedState&) = delete;
  SharedState& operator=(const SharedState&) = delete;

  /// Its locks are freed and its leases returned.
  void attempt_ended(JobId id, std::uint32_t attempt);

 private:
  struct Work;
  static void serve(const std::shared_ptr<Work>& work);
  void post(std::function<void()> task);

  std::string state_dir_, link_;
  shared::MarkedJobs marked_;
  std::shared_ptr<Work> work_;
  std::thread thread_;
};

}  // namespace tine
