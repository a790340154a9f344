#include "daemon/single_calls.hpp"

namespace tine {
namespace {

/// How long workers wait for the next call. Jobs that wait for one have it at once.
constexpr auto linger = std::chrono::milliseconds(100);

}  // namespace

Result<CallAnswer> SingleCalls::call(const Pool& pool, const std::string& function,
                                     const std::string& args_json, std::optional<double> timeout_s) {
  const auto self = shared_from_this();
  auto opened = open(pool, function);
  if (!opened) return opened.error();
  const std::shared_ptr<Opened> calls = *opened;
  std::optional<Clock::time_point> deadline;
  std::uint64_t deadline_ns = 0;
  if (timeout_s) {
    deadline =
        Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(*timeout_s));
    deadline_ns = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(deadline->time_since_epoch()).count());
  }
  Waiting waiting(services_.loop);
  const auto index =
      calls->session->add(calls->at_ring ? function + '\0' + args_json : args_json, deadline_ns);
  calls->waiting[index] = &waiting;
  calls->session->go_on();
  bool timed_out = false;
  while (!waiting.answer && !is_closed_ && !timed_out) timed_out = !waiting.bell.wait(deadline);
  calls->waiting.erase(index);
  if (waiting.answer) return std::move(*waiting.answer);
  if (is_closed_) return make_error(Errc::try_later, "the daemon is shutting down");
  calls->session->give_up(index);
  return make_error(Errc::timed_out, "the call was not answered in time");
}

void SingleCalls::close() {
  if (std::exchange(is_closed_, true)) return;
  for (auto& [name, calls] : opened_) {
    calls->rest.cancel();
    calls->session->close();
    for (auto& [index, waiting] : calls->waiting) waiting->bell.ring();
  }
}

Result<std::shared_ptr<SingleCalls::Opened>> SingleCalls::open(const Pool& pool,
                                                               const std::string& function) {
  const bool is_coroutine = pool.concurrency > 0;
  const std::string key = is_coroutine ? pool.name + '\0' + function : pool.name;
  if (const auto found = opened_.find(key); found != opened_.end()) return found->second;
  auto calls = std::make_shared<Opened>(services_.loop);
  if (is_coroutine) {
    TaskSession::Plan plan{pool.name, function};
    plan.is_star = true;
    plan.parallel = pool.capacity();
    plan.lingers = true;
    calls->session = services_.jobs.task_calls().open(std::move(plan));
  } else {
    CallSession::Plan plan;
    plan.duty.pool = pool.name;
    plan.duty.environment = std::string("PATH=/usr/local/bin:/usr/bin:/bin\0", 34);
    plan.parallel = pool.size;
    plan.lingers = true;
    auto session = services_.jobs.calls().open(std::move(plan));
    if (!session) return session.error();
    calls->session = calls->at_ring = std::move(*session);
  }
  calls->session->start([self = weak_from_this(), gone = std::weak_ptr(calls)](auto answers) {
    const auto alive = self.lock();
    const auto still = gone.lock();
    if (alive && still) alive->take(still, std::move(answers));
  });
  calls->session->on_end([self = weak_from_this()] {
    if (const auto alive = self.lock()) alive->close();
  });
  opened_[key] = calls;
  return calls;
}

void SingleCalls::take(const std::shared_ptr<Opened>& calls, std::vector<HeldCalls::Answer> answers) {
  for (auto& answer : answers) {
    const auto found = calls->waiting.find(answer.index);
    if (found == calls->waiting.end()) continue;
    found->second->answer = std::move(answer.what);
    found->second->bell.ring_through();  // it may end the connection
  }
  if (is_closed_ || calls->session->unanswered() > 0) return;
  calls->last = Clock::now();
  if (calls->at_ring && !std::exchange(calls->is_resting, true)) rest_later(calls);
  services_.jobs.calls().has_become_idle();
}

void SingleCalls::rest_later(const std::shared_ptr<Opened>& calls) {
  calls->rest.expires_at(calls->last + linger);
  calls->rest.async_wait(
      [self = weak_from_this(), gone = std::weak_ptr(calls)](const std::error_code& error) {
        const auto alive = self.lock();
        const auto still = gone.lock();
        if (error || !alive || !still || alive->is_closed_) return;
        // The calls since then have not moved the timer: that would cost each of them.
        if (still->session->unanswered() == 0 && Clock::now() < still->last + linger)
          return alive->rest_later(still);
        still->is_resting = false;
        if (still->session->unanswered() == 0) still->at_ring->recall_all();
      });
}

}  // namespace tine
