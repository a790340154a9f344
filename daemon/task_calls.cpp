#include "daemon/task_calls.hpp"

#include <algorithm>
#include <asio/post.hpp>

namespace tine {

void TaskSession::start(std::function<void(std::vector<Answer>)> on_answers) {
  on_answers_ = std::move(on_answers);
}

void TaskSession::go_on() {
  paused_ = false;
  if (wants_place()) want_();
}

void TaskSession::give(Worker& worker) {
  TaskCall call;
  call.session = id_;
  call.index = next_++;
  call.function = plan_.function;
  call.text = std::move(waiting_.front().text);
  call.is_text = plan_.is_text;
  call.is_star = plan_.is_star;
  waiting_.pop_front();
  drop_given_up();
  const auto index = call.index;
  running_[index] = {&worker, workforce_.call(worker, std::move(call))};
}

void TaskSession::drop_given_up() {
  for (; !waiting_.empty() && waiting_.front().is_given_up; waiting_.pop_front()) ++next_;
}

void TaskSession::give_up(std::uint64_t index) {
  if (index >= next_) {
    waiting_.at(index - next_).is_given_up = true;
    return drop_given_up();
  }
  if (const auto found = running_.find(index); found != running_.end())
    workforce_.end_call(*found->second.worker, found->second.place, id_);
}

void TaskSession::answered(std::uint64_t index, CallAnswer answer) {
  if (running_.erase(index) == 0 || cut_) return;
  answers_.push_back({index, std::move(answer)});
  if (answers_.size() > 1) return;
  // Those that come in one go are told in one.
  asio::post(loop_, [self = shared_from_this()] {
    if (!self->cut_) self->on_answers_(std::exchange(self->answers_, {}));
  });
  if (wants_place()) want_();
}

void TaskSession::cut() {
  cut_ = true;
  waiting_.clear();
  for (const auto& [index, at] : running_) workforce_.end_call(*at.worker, at.place, id_);
  running_.clear();
}

std::shared_ptr<TaskSession> TaskCalls::open(TaskSession::Plan plan) {
  const auto want = [this, pool = plan.pool] { want_(pool); };
  auto session = std::make_shared<TaskSession>(loop_, *workforce_, std::move(plan), ++last_id_, want);
  sessions_[session->id()] = session;
  session->on_close([this, id = session->id()] {
    const auto closed = sessions_.extract(id);
    if (!closed) return;
    closed.mapped()->cut();
    if (any_end_) any_end_();
  });
  return session;
}

void TaskCalls::end_all() {
  for (const auto& [id, session] : std::map(sessions_)) session->end();
}

bool TaskCalls::is_idle() const {
  return std::all_of(sessions_.begin(), sessions_.end(),
                     [](const auto& entry) { return entry.second->is_idle(); });
}

bool TaskCalls::wants_place(const std::string& pool) const {
  return std::any_of(sessions_.begin(), sessions_.end(), [&](const auto& entry) {
    return entry.second->pool() == pool && entry.second->wants_place();
  });
}

bool TaskCalls::give_one(Worker& worker) {
  // The sessions take turns in the order of their ids.
  auto at = sessions_.upper_bound(last_served_);
  for (std::size_t looked = 0; looked < sessions_.size(); ++looked, ++at) {
    if (at == sessions_.end()) at = sessions_.begin();
    if (at->second->pool() != worker.seat.pool || !at->second->wants_place()) continue;
    last_served_ = at->first;
    at->second->give(worker);
    return true;
  }
  return false;
}

void TaskCalls::answered(std::uint64_t session, std::uint64_t index, CallAnswer answer) {
  if (const auto found = sessions_.find(session); found != sessions_.end())
    std::shared_ptr(found->second)->answered(index, std::move(answer));
}

}  // namespace tine
