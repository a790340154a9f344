#include "daemon/calls.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

namespace tine {
namespace {

/// Calls are no jobs: their ids, which name their outputs, are beyond those of all jobs.
constexpr std::uint64_t first_call_id = std::uint64_t{1} << 62;

/// A worker's turn at calls while jobs wait in its pool: long against the cost of a change of duty.
constexpr auto turn = std::chrono::milliseconds(50);

/// So long tined looks for the answer of a call that a waking worker has taken: two sleeps less where the
/// function does next to nothing, and no other client is kept waiting for longer.
constexpr auto look_longest = std::chrono::microseconds(10);

}  // namespace

CallSession::CallSession(asio::io_context& loop, Workforce& workforce, Plan plan, std::uint64_t id,
                         CallRing ring, std::function<void()> want)
    : workforce_(workforce),
      plan_(std::move(plan)),
      id_(id),
      ring_(std::move(ring)),
      spin_(look_longest),
      bell_(loop, ::dup(ring_.bell())),
      seats_(plan_.parallel),
      index_of_slot_(ring_.slots()),
      want_(std::move(want)) {}

CallSession::~CallSession() {
  *alive_ = false;
  ring_.tell_to_leave();
  for (std::uint32_t seat = 0; seat < seats_.size(); ++seat)
    if (Worker* worker = seats_[seat].worker) {
      worker->duty = abandoned_duty;
      if (ring_.has_begun(seat)) workforce_.kill(*worker);
    }
}

void CallSession::start(std::function<void(std::vector<Answer>)> on_answers) {
  on_answers_ = std::move(on_answers);
  watch_bell();
}

void CallSession::watch_bell() {
  bell_.async_wait(asio::posix::stream_descriptor::wait_read,
                   [this, alive = alive_](const std::error_code& error) {
                     if (error || !*alive) return;
                     ring_.drain_bell();
                     collect();
                     if (*alive) watch_bell();
                   });
  // Only now: who rings sees that we sleep, or we see the answer.
  ring_.prepare_sleep();
}

void CallSession::collect() {
  const auto alive = alive_;
  for (;;) {
    std::vector<std::uint32_t> slots;
    ring_.collect(slots);
    if (slots.empty()) {
      ring_.prepare_sleep();
      ring_.collect(slots);
      if (slots.empty()) return;
      ring_.stay_awake();
    }
    std::vector<Answer> answers;
    for (const auto slot : slots) answers.push_back({index_of_slot_[slot], ring_.take_answer(slot)});
    offered_ -= answers.size();
    on_answers_(std::move(answers));
    if (*alive) pump();
    if (!*alive) return;
  }
}

void CallSession::go_on() {
  const auto alive = alive_;
  paused_ = false;
  const bool may_come_at_once = plan_.lingers && offered_ == 0 && ring_.is_looked_at();
  if (may_come_at_once) ring_.stay_awake();
  pump();
  if (*alive && wants_workers()) want_();
  if (!*alive || !may_come_at_once) return;
  ring_.look_for_answer(spin_);
  collect();  // else it goes to sleep
}

void CallSession::pump() {
  while (!waiting_.empty() && !paused_) {
    const auto slot = ring_.offer(
        {waiting_.front().deadline_ns, first_call_id + (id_ << 40) + next_, waiting_.front().text},
        Notice::reader);
    if (!slot) {
      // No memory for the arguments: this one call is answered with that. Who hears it may end the session.
      const auto alive = alive_;
      waiting_.pop_front();
      on_answers_({{next_++, {AnswerKind::died, slot.error().message()}}});
      if (!*alive) return;
      continue;
    }
    if (!*slot) return;
    index_of_slot_[**slot] = next_++;
    waiting_.pop_front();
    ++offered_;
  }
}

bool CallSession::wants_workers() const {
  const auto engaged = static_cast<std::size_t>(
      std::count_if(seats_.begin(), seats_.end(), [](const Seat& seat) { return seat.worker; }));
  return engaged < seats_.size() && engaged < unanswered();
}

void CallSession::engage(Worker& worker) {
  const auto free = std::find_if(seats_.begin(), seats_.end(), [](const Seat& seat) { return !seat.worker; });
  const auto seat = static_cast<std::uint32_t>(free - seats_.begin());
  *free = {&worker, std::chrono::steady_clock::now(), false};
  ring_.clear_seat(seat);
  worker.duty = id_;
  CallDuty duty = plan_.duty;
  duty.id = id_;
  duty.seat = seat;
  workforce_.serve_calls(worker, duty, ring_.descriptors(), plan_.errors.get());
}

void CallSession::released(Worker& worker, const std::string& why) {
  Seat* const found = seat_of(worker);
  if (!found) return;
  const auto seat = static_cast<std::uint32_t>(found - seats_.data());
  *found = {};
  if (!why.empty()) ring_.bury(seat, why);
  ring_.clear_seat(seat);
  if (!why.empty()) collect();
}

CallSession::Seat* CallSession::seat_of(const Worker& worker) {
  const auto found =
      std::find_if(seats_.begin(), seats_.end(), [&](const Seat& seat) { return seat.worker == &worker; });
  return found == seats_.end() ? nullptr : &*found;
}

void CallSession::recall(const Worker& worker) {
  Seat* const seat = seat_of(worker);
  if (!seat || std::exchange(seat->recalled, true)) return;
  ring_.recall(static_cast<std::uint32_t>(seat - seats_.data()));
}

void CallSession::give_up(std::uint64_t index) {
  for (std::uint32_t slot = 0; slot < ring_.slots(); ++slot) {
    if (index_of_slot_[slot] != index) continue;
    const auto seat = ring_.runner_of(slot);
    if (!seat || !seats_[*seat].worker) continue;
    // Recalled, it begins no other call: if it is at this one still, the kill can hit no other.
    recall(*seats_[*seat].worker);
    if (ring_.runner_of(slot) == seat) workforce_.kill(*seats_[*seat].worker);
    return;
  }
}

void CallSession::recall_all() {
  for (const Seat& seat : seats_)
    if (seat.worker) recall(*seat.worker);
}

bool CallSession::recall_one(std::chrono::steady_clock::time_point engaged_before) {
  for (std::uint32_t seat = 0; seat < seats_.size(); ++seat) {
    if (!seats_[seat].worker || seats_[seat].recalled || seats_[seat].since > engaged_before) continue;
    recall(*seats_[seat].worker);
    return true;
  }
  return false;
}

void forget_call_outputs(const std::string& state_dir) {
  std::error_code ignored;
  std::vector<std::filesystem::path> stale;
  for (const auto& entry : std::filesystem::directory_iterator(state_dir + "/output", ignored))
    if (std::strtoull(entry.path().filename().c_str(), nullptr, 10) >= first_call_id)
      stale.push_back(entry.path());
  for (const auto& path : stale) std::filesystem::remove(path, ignored);
}

Result<std::shared_ptr<CallSession>> Calls::open(CallSession::Plan plan) {
  auto ring = CallRing::create(plan.parallel);
  if (!ring) return ring.error();
  const auto want = [this, pool = plan.duty.pool] { want_(pool); };
  auto session =
      std::make_shared<CallSession>(loop_, *workforce_, std::move(plan), ++last_id_, std::move(*ring), want);
  sessions_[session->id()] = session;
  // Who opened it holds it still; when that goes, what runs for it is killed with its worker.
  session->on_close([this, id = session->id()] {
    if (sessions_.erase(id) > 0 && any_end_) any_end_();
  });
  return session;
}

bool Calls::is_idle() const {
  return std::all_of(sessions_.begin(), sessions_.end(),
                     [](const auto& entry) { return entry.second->is_idle(); });
}

bool Calls::wants_workers(const std::string& pool) const {
  return std::any_of(sessions_.begin(), sessions_.end(), [&](const auto& entry) {
    return entry.second->pool() == pool && entry.second->wants_workers();
  });
}

bool Calls::take(Worker& worker) {
  // The one that waits longest since its last turn: the sessions take turns in the order of their ids.
  auto at = sessions_.upper_bound(last_served_[worker.seat.pool]);
  for (std::size_t looked = 0; looked < sessions_.size(); ++looked, ++at) {
    if (at == sessions_.end()) at = sessions_.begin();
    if (at->second->pool() != worker.seat.pool || !at->second->wants_workers()) continue;
    last_served_[worker.seat.pool] = at->first;
    at->second->engage(worker);
    return true;
  }
  return false;
}

void Calls::duty_done(Worker& worker) {
  const auto found = sessions_.find(std::exchange(worker.duty, 0));
  if (found != sessions_.end()) found->second->released(worker, "");
}

void Calls::worker_died(Worker& worker) {
  const auto found = sessions_.find(std::exchange(worker.duty, 0));
  if (found == sessions_.end()) return;
  const auto session = found->second;  // its answers may end it
  session->released(worker,
                    "the worker (pid " + std::to_string(worker.pid) + ") died while it ran this call");
}

void Calls::recall(const Worker& worker) {
  if (const auto found = sessions_.find(worker.duty); found != sessions_.end()) found->second->recall(worker);
}

void Calls::end_all() {
  for (const auto& [id, session] : std::map(sessions_)) session->end();
}

bool Calls::recall_one(const std::string& pool) {
  const auto before = std::chrono::steady_clock::now() - turn;
  bool has_duty = false;
  for (const auto& [id, session] : sessions_) {
    if (session->pool() != pool) continue;
    if (session->recall_one(session->is_idle() ? std::chrono::steady_clock::now() : before)) return true;
    has_duty = true;
  }
  return has_duty;
}

}  // namespace tine
