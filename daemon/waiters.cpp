#include "daemon/waiters.hpp"

#include <asio/post.hpp>

#include "ipc/on_fiber.hpp"

namespace tine {

bool Bell::wait(std::optional<std::chrono::steady_clock::time_point> deadline) {
  if (!rung_ && deadline) {
    timer_.emplace(loop_, *deadline).async_wait(ipc::on_fiber);
    timer_.reset();
  } else if (!rung_) {
    sleeper_ = Fiber::current();
    Fiber::park();
  }
  return std::exchange(rung_, false);
}

void Bell::ring() {
  rung_ = true;
  if (timer_) timer_->cancel();
  if (Fiber* const sleeper = std::exchange(sleeper_, nullptr))
    asio::post(loop_, [sleeper] { sleeper->resume(); });
}

void Bell::ring_through() {
  if (!sleeper_) return ring();
  rung_ = true;
  std::exchange(sleeper_, nullptr)->resume();
}

Waiters::Waiting::~Waiting() {
  for (const JobId id : ids_) {
    auto [first, last] = waiters_.by_job_.equal_range(id);
    while (first != last) first = first->second == this ? waiters_.by_job_.erase(first) : std::next(first);
  }
}

void Waiters::Waiting::add(JobId id) {
  ids_.push_back(id);
  waiters_.by_job_.emplace(id, this);
}

void Waiters::job_started(JobId id) {
  const auto [first, last] = by_job_.equal_range(id);
  for (auto it = first; it != last; ++it) {
    it->second->started.push_back(id);
    it->second->bell.ring();
  }
}

void Waiters::job_ended(JobId id) {
  const auto [first, last] = by_job_.equal_range(id);
  for (auto it = first; it != last; ++it) {
    it->second->ended.push_back(id);
    it->second->bell.ring();
  }
}

}  // namespace tine
