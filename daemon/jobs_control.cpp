#include <spdlog/spdlog.h>

#include <algorithm>

#include "core/base/clock.hpp"
#include "daemon/jobs.hpp"

/// What a person does to jobs that are there, and what holds jobs back.
namespace tine {
namespace {

/// The wall clock may be set, and daylight saving moves nothing: it is looked at again and again.
constexpr auto look_at_clock_interval = std::chrono::seconds(10);

/// For its events.
std::string about_pool(const std::string& name, std::uint32_t size = 0) {
  return "\"pool\":\"" + name + "\"" + (size ? ",\"size\":" + std::to_string(size) : "");
}

Error has_begun(JobId id) {
  return make_error(Errc::absent, "job " + std::to_string(id) + " has begun; allowed: pause, or cancel");
}

}  // namespace

void Jobs::cancel(JobId id, std::optional<double> kill_after_s, std::function<void(Status)> done) {
  settle(id);
  const auto found = live_.find(id);
  if (found == live_.end()) return done(ok());
  LiveJob& job = found->second;
  switch (job.phase) {
    case LiveJob::Phase::ending:
      job.cancel_wanted = true;  // it may be an attempt's end alone
      return done(ok());
    case LiveJob::Phase::intending:
      job.cancel_wanted = true;
      return done(ok());
    case LiveJob::Phase::waiting:
    case LiveJob::Phase::queued:
    case LiveJob::Phase::ready:
    case LiveJob::Phase::offered:  // not after settle()
      return end(id, unwitnessed_outcome(id, job.attempt, JobState::cancelled, Reason::cancelled), {},
                 std::move(done));
    case LiveJob::Phase::running:
      break;
  }
  job.cancel_wanted = true;
  if (job.worker->is_coroutine())
    workforce_->cancel_task(*job.worker, id);
  else if (job.kind == JobKind::function)
    workforce_->kill(*job.worker);
  else
    workforce_->cancel(*job.worker, kill_after_s.value_or(-1));
  done(ok());
}

Status Jobs::signal(JobId id, int signal) {
  settle(id);
  const auto found = live_.find(id);
  if (found == live_.end() || found->second.phase != LiveJob::Phase::running)
    return make_error(Errc::absent, "job " + std::to_string(id) + " is not running");
  workforce_->signal(*found->second.worker, signal);
  return ok();
}

void Jobs::cancel_running(double kill_after_s) {
  std::vector<JobId> ids;
  for (const auto& [id, job] : live_)
    if (job.phase == LiveJob::Phase::running) ids.push_back(id);
  for (const JobId id : ids) cancel(id, kill_after_s, [](Status) {});
  for (Worker* worker : unknown_work()) workforce_->kill(*worker);
  calls_.end_all();
  task_calls_.end_all();
  kill_coroutine_workers_after(kill_after_s);
}

JobState Jobs::state_of(const LiveJob& job) const {
  if (job.worker) return JobState::running;
  return job.shown;
}

// --- waiting and held jobs
// ------------------------------------------------------------------------------------------

void Jobs::show_as(LiveJob& job, JobState state) {
  const auto counter = [&](JobState of) -> std::uint64_t* {
    return of == JobState::waiting ? &job.pool->waiting : of == JobState::held ? &job.pool->held : nullptr;
  };
  if (auto* before = counter(job.shown)) --*before;
  if (auto* now = counter(state)) ++*now;
  job.shown = state;
}

/// A job that has not begun goes where it belongs: into its line, or aside.
void Jobs::line_up(JobId id) {
  const auto found = live_.find(id);
  if (found == live_.end() || found->second.phase != LiveJob::Phase::waiting) return;
  LiveJob& job = found->second;
  if (const JobId culprit = gates_.broken_by(id); culprit != 0)
    return end_without_record(
        id, JobState::cancelled, Reason::dependency, "DependencyFailed",
        "what it waits for can not happen any more: job " + std::to_string(culprit) + " has ended otherwise");
  if (job.is_held) return show_as(job, JobState::held);
  if (!gates_.is_open(id, now_micros())) {
    show_as(job, JobState::waiting);
    return arm_due();
  }
  show_as(job, JobState::queued);
  job.phase = LiveJob::Phase::queued;
  job.pool->queue.push(id, job.priority);
  pump_soon(*job.pool);
}

/// Out of its line, whether it stands in it or was next.
void Jobs::step_out(JobId id) {
  LiveJob& job = live_[id];
  if (job.phase == LiveJob::Phase::ready)
    std::erase_if(job.pool->ready, [id](const Pool::Ready& ready) { return ready.id == id; });
  job.phase = LiveJob::Phase::waiting;
  if (job.has_conditions) give_place_back(id);
}

void Jobs::give_place_back(JobId id) {
  const auto next = gates_.give_place_back(id);
  if (!next) return;
  const auto found = live_.find(*next);
  if (found == live_.end() || found->second.phase != LiveJob::Phase::queued) return;
  found->second.pool->queue.push_front(*next, found->second.priority);
  pump_soon(*found->second.pool);
}

void Jobs::arm_due() {
  const auto next = gates_.next_due();
  if (!next) return;
  const auto left = std::chrono::microseconds(std::max<Micros>(0, *next - now_micros()));
  due_.expires_after(std::min<std::chrono::steady_clock::duration>(left, look_at_clock_interval));
  due_.async_wait([this](const std::error_code& error) {
    if (error) return;
    for (const JobId id : gates_.due(now_micros())) line_up(id);
    arm_due();
  });
}

void Jobs::hold(JobId id, bool held, std::function<void(Status)> done) {
  settle(id);
  const auto found = live_.find(id);
  if (found == live_.end()) return done(make_error(Errc::absent, "job " + std::to_string(id) + " has ended"));
  LiveJob& job = found->second;
  // Its intent is on the way to the disk: after that it is known whether it begins.
  if (job.phase == LiveJob::Phase::intending)
    return store_.submit([](JobTable&) { return ok(); },
                         [this, id, held, done = std::move(done)](Status) { hold(id, held, done); });
  const bool begun = job.phase == LiveJob::Phase::running || job.phase == LiveJob::Phase::ending;
  if (begun && held) return done(has_begun(id));
  if (begun || job.is_held == held) return done(ok());
  step_out(id);
  job.is_held = held;
  show_as(job, held ? JobState::held : JobState::queued);
  events_.note(held ? "job.held" : "job.released", id);
  store_.submit([id, held](JobTable& table) { return table.hold(id, held); },
                [this, id, done = std::move(done)](Status status) {
                  line_up(id);
                  done(std::move(status));
                });
}

void Jobs::pause(JobId id, bool paused, std::function<void(Status)> done) {
  settle(id);
  const auto found = live_.find(id);
  if (found == live_.end() || !found->second.worker)
    return done(make_error(Errc::absent, "job " + std::to_string(id) + " is not running"));
  LiveJob& job = found->second;
  if (job.worker->is_coroutine())
    return done(make_error(Errc::usage, "job " + std::to_string(id) +
                                            " shares its process with others of pool " + job.pool->name +
                                            "; allowed: cancel"));
  if (job.is_paused == paused) return done(ok());
  job.is_paused = paused;
  workforce_->pause(*job.worker, paused, job.kind == JobKind::function);
  events_.note(paused ? "job.paused" : "job.resumed", id);
  store_.submit([id, paused](JobTable& table) { return table.set_paused(id, paused); }, std::move(done));
}

std::string Jobs::why(JobId id) const {
  const auto found = live_.find(id);
  if (found == live_.end()) return "has ended";
  const LiveJob& job = found->second;
  if (job.worker)
    return job.is_paused
               ? "is paused; tine resume lets it go on"
               : "runs on worker " + std::to_string(job.worker->seat.slot) + " of pool " + job.pool->name;
  if (job.phase == LiveJob::Phase::ending) return "is ending: its record is on the way to the disk";
  if (job.is_held) return "is held; tine release lets it start";
  if (const std::string gate = gates_.why(id, now_micros()); !gate.empty()) return gate;
  if (draining_) return "waits for the next start: the daemon is shutting down";
  if (job.awaits_caller) return "waits for the tine run that began it to come back";
  const Pool& pool = *job.pool;
  const std::string in_pool = "pool " + pool.name;
  if (pool.is_paused) return "waits: " + in_pool + " is paused";
  if (!zygote_failure_.empty()) return "waits: " + in_pool + " has no workers: " + zygote_failure_;
  for (const Worker* worker : pool.seats)
    if (const WorkerTask* hog = worker ? worker->hog() : nullptr)
      return "waits: " + in_pool + " is held up by " + name_of(*hog) + ", which does not give way";
  if (job.slots > pool.capacity())
    return "waits: it asks for " + std::to_string(job.slots) + " slots, " + in_pool + " has " +
           std::to_string(pool.capacity());
  if (pool.slots_used + job.slots > pool.capacity())
    return "waits for " + std::to_string(job.slots) + (job.slots == 1 ? " slot" : " slots") + " of " +
           in_pool + ": " + std::to_string(pool.slots_used) + " of " + std::to_string(pool.capacity()) +
           " are taken, " + std::to_string(pool.in_line()) + " jobs are in line";
  return "is about to start in " + in_pool;
}

// --- pools
// ----------------------------------------------------------------------------------------------------------

void Jobs::pool_row(const Pool& pool, std::function<void(Status)> done) {
  const std::string state = std::string(pool.is_open ? "open" : "closed") + (pool.is_paused ? " paused" : "");
  const JobTable::PoolRow row{pool.name, pool.size, state, pool.concurrency};
  store_.submit([row](JobTable& table) { return table.put_pool(row); }, std::move(done));
}

void Jobs::add_pool(const std::string& name, std::uint32_t size, std::uint32_t concurrency,
                    std::function<void(Status)> done) {
  Pool row;
  row.name = name;
  row.size = size;
  row.concurrency = concurrency;
  events_.note("pool.added", 0, about_pool(name, size));
  pool_row(row, [this, name, size, concurrency, done = std::move(done)](Status status) {
    if (status) {
      auto& made = pools_[name];
      made = std::make_unique<Pool>();
      made->name = name;
      made->size = size;
      made->concurrency = concurrency;
      staff(*made);
    }
    done(std::move(status));
  });
}

void Jobs::resize_pool(Pool& pool, std::uint32_t size, std::function<void(Status)> done) {
  pool.size = size;
  events_.note("pool.resized", 0, about_pool(pool.name, size));
  staff(pool);
  pump_soon(pool);
  pool_row(pool, std::move(done));
}

void Jobs::set_open(Pool& pool, bool open, std::function<void(Status)> done) {
  pool.is_open = open;
  events_.note(open ? "pool.opened" : "pool.closed", 0, about_pool(pool.name));
  pool_row(pool, std::move(done));
}

void Jobs::set_paused(Pool& pool, bool paused, std::function<void(Status)> done) {
  pool.is_paused = paused;
  events_.note(paused ? "pool.paused" : "pool.resumed", 0, about_pool(pool.name));
  if (paused) take_lines_back(pool);
  for (const JobId id : jobs_of(pool))
    if (live_[id].worker) pause(id, paused, [](Status) {});
  // Calls that run come to their end, and no more begin.
  for (const Worker* worker : pool.seats)
    if (paused && worker && worker->duty != 0) calls_.recall(*worker);
  pump_soon(pool);
  pool_row(pool, std::move(done));
}

void Jobs::remove_pool(Pool& pool, std::function<void(Status)> done) {
  for (const auto& configured : config_.pools)
    if (configured.name == pool.name)
      return done(make_error(Errc::usage, "pool " + pool.name + " is in the config; it is removed there"));
  if (pool.unfinished() > 0)
    return done(make_error(Errc::try_later,
                           "pool " + pool.name + " has " + std::to_string(pool.unfinished()) +
                               " unfinished jobs; allowed: remove after terminate, or close and join"));
  const std::string name = pool.name;
  for (Worker* worker : pool.seats)
    if (worker) workforce_->dismiss(*worker);
  pools_.erase(name);
  events_.note("pool.removed", 0, about_pool(name));
  store_.submit([name](JobTable& table) { return table.remove_pool(name); }, std::move(done));
}

}  // namespace tine
