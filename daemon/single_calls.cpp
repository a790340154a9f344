#include "daemon/single_calls.hpp"

namespace tine {
namespace {

/// How long workers wait for the next call. Jobs that wait for one have it at once.
constexpr auto linger = std::chrono::milliseconds(100);

}  // namespace

Result<CallAnswer> SingleCalls::call(const std::string& pool, std::uint32_t workers,
                                     const std::string& function, const std::string& args_json,
                                     std::optional<double> timeout_s) {
  const auto self = shared_from_this();
  auto opened = open(pool, workers);
  if (!opened) return opened.error();
  const std::shared_ptr<PoolCalls> calls = *opened;
  std::optional<Clock::time_point> deadline;
  std::uint64_t deadline_ns = 0;
  if (timeout_s) {
    deadline =
        Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(*timeout_s));
    deadline_ns = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(deadline->time_since_epoch()).count());
  }
  Waiting waiting(services_.loop);
  const auto index = calls->session->add(function + '\0' + args_json, deadline_ns);
  calls->waiting[index] = &waiting;
  calls->session->go_on();
  bool timed_out = false;
  while (!waiting.answer && !is_closed_ && !timed_out) timed_out = !waiting.bell.wait(deadline);
  calls->waiting.erase(index);
  if (waiting.answer) return std::move(*waiting.answer);
  if (is_closed_) return make_error(Errc::try_later, "the daemon is shutting down");
  calls->session->kill_runner(index);
  return make_error(Errc::timed_out, "the call was not answered in time");
}

void SingleCalls::close() {
  if (std::exchange(is_closed_, true)) return;
  for (auto& [name, calls] : pools_) {
    calls->rest.cancel();
    services_.jobs.calls().close(calls->session);
    for (auto& [index, waiting] : calls->waiting) waiting->bell.ring();
  }
}

Result<std::shared_ptr<SingleCalls::PoolCalls>> SingleCalls::open(const std::string& pool,
                                                                  std::uint32_t workers) {
  if (const auto found = pools_.find(pool); found != pools_.end()) return found->second;
  CallSession::Plan plan;
  plan.duty.pool = pool;
  plan.duty.environment = std::string("PATH=/usr/local/bin:/usr/bin:/bin\0", 35);
  plan.parallel = workers;
  plan.lingers = true;
  auto session = services_.jobs.calls().open(std::move(plan));
  if (!session) return session.error();
  auto calls = std::make_shared<PoolCalls>(services_.loop);
  calls->session = *session;
  calls->session->start([self = weak_from_this(), gone = std::weak_ptr(calls)](auto answers) {
    const auto alive = self.lock();
    const auto still = gone.lock();
    if (alive && still) alive->take(*still, std::move(answers));
  });
  calls->session->on_end([self = weak_from_this()] {
    if (const auto alive = self.lock()) alive->close();
  });
  pools_[pool] = calls;
  return calls;
}

void SingleCalls::take(PoolCalls& calls, std::vector<CallSession::Answer> answers) {
  for (auto& answer : answers) {
    const auto found = calls.waiting.find(answer.index);
    if (found == calls.waiting.end()) continue;
    found->second->answer = std::move(answer.what);
    found->second->bell.ring();
  }
  if (calls.session->unanswered() > 0) return;
  calls.last = Clock::now();
  if (!std::exchange(calls.is_resting, true)) rest_later(pools_.at(calls.session->pool()));
  services_.jobs.calls().has_become_idle();
}

void SingleCalls::rest_later(const std::shared_ptr<PoolCalls>& calls) {
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
        if (still->session->unanswered() == 0) still->session->recall_all();
      });
}

}  // namespace tine
