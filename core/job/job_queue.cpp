#include "core/job/job_queue.hpp"

namespace tine {

void JobQueue::push(JobId id, std::int32_t priority) { lines_[priority].push_back(id); }

void JobQueue::push_front(JobId id, std::int32_t priority) { lines_[priority].push_front(id); }

std::optional<JobId> JobQueue::pop(const std::function<bool(JobId)>& still_wanted) {
  while (!lines_.empty()) {
    const auto first = lines_.begin();
    const JobId id = first->second.front();
    first->second.pop_front();
    if (first->second.empty()) lines_.erase(first);
    if (still_wanted(id)) return id;
  }
  return std::nullopt;
}

}  // namespace tine
