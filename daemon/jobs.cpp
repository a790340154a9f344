#include "daemon/jobs.hpp"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>

#include "core/base/clock.hpp"
#include "core/base/failpoint.hpp"

namespace tine {
namespace {

constexpr std::uint64_t trim_interval_jobs = 1000;
/// So many workers may die of one job, whatever its retries say.
constexpr std::uint16_t crashes_max = 5;
constexpr auto store_retry_interval = std::chrono::seconds(1);

}  // namespace

Outcome unwitnessed_outcome(JobId id, std::uint32_t attempt, JobState state, Reason reason) {
  Outcome outcome;
  outcome.job = id;
  outcome.attempt = attempt;
  outcome.state = state;
  outcome.reason = reason;
  outcome.finished = now_micros();
  return outcome;
}

std::string new_event_id(const Outcome& outcome) {
  return std::to_string(outcome.job) + "-" + std::to_string(outcome.attempt) + "-" +
         std::to_string(now_micros());
}

Jobs::Jobs(asio::io_context& loop, const Config& config, const std::string& state_dir, Store& store,
           Waiters& waiters)
    : loop_(loop),
      config_(config),
      state_dir_(state_dir),
      store_(store),
      waiters_(waiters),
      callbacks_(std::make_unique<Callbacks>(loop, store, state_dir, config.callback_timeout_s)),
      calls_(loop),
      events_(loop, store),
      due_(loop),
      task_calls_(loop),
      next_id_(store.first_free_id()) {
  const auto on_want = [this](const std::string& name) {
    if (Pool* wanted = pool(name)) pump_soon(*wanted);
  };
  calls_.on_want(on_want);
  task_calls_.on_want(on_want);
}

void Jobs::use(Workforce& workforce) {
  workforce_ = &workforce;
  callbacks_->use(workforce);
  calls_.use(workforce);
  task_calls_.use(workforce);
}

void Jobs::on_any_end(std::function<void()> hook) {
  any_end_ = hook;
  callbacks_->on_any_end(hook);
  task_calls_.on_any_end(hook);
  calls_.on_any_end(std::move(hook));
}

const LiveJob* Jobs::find(JobId id) const {
  const auto found = live_.find(id);
  return found == live_.end() ? nullptr : &found->second;
}

Pool* Jobs::pool(const std::string& name) {
  const auto found = pools_.find(name);
  return found == pools_.end() ? nullptr : found->second.get();
}

std::map<JobState, std::uint64_t> Jobs::counts() const {
  auto counts = counts_;
  for (const auto& [name, pool] : pools_) {
    counts[JobState::waiting] += pool->waiting;
    counts[JobState::held] += pool->held;
    counts[JobState::queued] += pool->in_line();
    counts[JobState::running] += pool->running;
  }
  return counts;
}

std::vector<JobId> Jobs::jobs_of(const Pool& pool) const {
  std::vector<JobId> ids;
  for (const auto& [id, job] : live_)
    if (job.pool == &pool) ids.push_back(id);
  std::sort(ids.begin(), ids.end());
  return ids;
}

std::set<std::pair<JobId, std::uint32_t>> Jobs::running_attempts() const {
  std::set<std::pair<JobId, std::uint32_t>> attempts;
  for (const auto& [id, job] : live_)
    if (job.phase == LiveJob::Phase::running) attempts.insert({id, job.attempt});
  return attempts;
}

bool Jobs::is_idle() const {
  return callbacks_->running() == 0 && calls_.is_idle() && task_calls_.is_idle() && unknown_work().empty() &&
         std::none_of(live_.begin(), live_.end(), [](const auto& entry) {
           return entry.second.phase == LiveJob::Phase::running ||
                  (entry.second.phase == LiveJob::Phase::ending && entry.second.started);
         });
}

std::vector<Worker*> Jobs::unknown_work() const {
  std::vector<Worker*> unknown;
  const auto is_unknown = [this](const WorkerTask& task) {
    return task.job != 0 && !live_.contains(task.job);
  };
  for (const auto& [key, worker] : workforce_->workers())
    if ((worker->job != 0 && worker->kind == OrderKind::job && !live_.contains(worker->job)) ||
        std::any_of(worker->tasks.begin(), worker->tasks.end(), is_unknown))
      unknown.push_back(worker.get());
  return unknown;
}

// --- submit
// ---------------------------------------------------------------------------------------------------------

Result<Pool*> Jobs::open_pool(const std::string& name) {
  if (draining_) return make_error(Errc::try_later, "the daemon is shutting down");
  Pool* const found = pool(name);
  if (!found) {
    std::string names;
    for (const auto& [known, pool] : pools_) names += " " + known;
    return make_error(Errc::usage, "pool: there is no pool \"" + name + "\"; allowed:" + names);
  }
  if (!found->is_open) return make_error(Errc::try_later, "pool " + name + " is closed");
  return found;
}

Status Jobs::check_function(const std::string& name, const Pool& pool) const {
  // One program with one conversation, which a task that is ended would leave in the middle.
  if (pool.concurrency > 0 && std::any_of(config_.functions.begin(), config_.functions.end(),
                                          [&](const auto& function) { return function.name == name; }))
    return make_error(Errc::usage, "pool: \"" + pool.name + "\" is of kind coroutine: " + name +
                                       " is answered by a program; allowed: a pool of kind process");
  if (workforce_->functions().contains(name)) return ok();
  std::string names;
  for (const auto& known : workforce_->functions()) names += " " + known;
  return make_error(Errc::usage, "function: there is no function \"" + name + "\"; allowed:" + names);
}

// --- the end of a job
// -----------------------------------------------------------------------------------------------

void Jobs::worker_ended(Worker& worker, OrderKind kind, std::uint64_t seq, const std::string& bytes) {
  auto outcome = decode_outcome(bytes);
  failpoint("end.received");
  if (!outcome) {
    spdlog::error("worker {} left a record that cannot be read", worker.seat.key);
    return workforce_->stored(worker.seat.key, seq);
  }
  if (kind == OrderKind::callback) return callbacks_->ended(worker, seq, *outcome);
  const JobId id = outcome->job;
  const auto found = live_.find(id);
  if (found != live_.end() && found->second.kind == JobKind::command)
    note_pace(*found->second.pool, *outcome);
  // One whose next attempt waits or runs has been told of this end already.
  const auto is_past = [&](const LiveJob& job) {
    return job.phase == LiveJob::Phase::ending ||
           (job.has_conditions && (job.phase != LiveJob::Phase::running || job.attempt != outcome->attempt));
  };
  if (found == live_.end() || is_past(found->second)) {
    workforce_->stored(worker.seat.key, seq);
    if (any_end_) any_end_();
    return;
  }
  end(id, std::move(*outcome), {worker.seat.key, seq});
}

void Jobs::end(JobId id, Outcome outcome, Source source, std::function<void(Status)> done) {
  LiveJob& job = live_[id];
  if (job.phase == LiveJob::Phase::running) {
    if (attempt_end_) attempt_end_(id, outcome.attempt);
    leave_seat(id, job);
  } else {
    step_out(id);
    show_as(job, JobState::queued);
  }
  job.phase = LiveJob::Phase::ending;
  if (try_again(id, outcome, source)) {
    if (done) done(ok());
    return;
  }
  --job.pool->queued;
  ++job.pool->ending;
  descriptors_.erase(id);
  const JobState state = outcome.state;
  const bool has_callback = job.has_callback;
  std::string event_id;
  if (has_callback) event_id = new_event_id(outcome);
  auto bytes = std::make_shared<std::string>(encode(outcome));
  note_unseen_start(job, outcome);
  auto told = std::make_shared<std::vector<EventLog::Told>>(events_.take());
  store_until_taken(
      id,
      [id, state, bytes, event_id, told](JobTable& table) -> Status {
        if (auto status = EventLog::write(table, *told); !status) return status;
        return table.finish(id, state, *bytes, event_id);
      },
      [this, id, state, source, done = std::move(done), has_callback] {
        failpoint("end.stored");
        if (!source.worker_key.empty()) workforce_->stored(source.worker_key, source.seq);
        ended(id, state, has_callback);
        if (done) done(ok());
      });
}

/// What has happened cannot be refused: the worker keeps its record until the disk takes it.
/// Where more jobs wait in line it may wait for their ends.
void Jobs::store_until_taken(JobId id, Store::Work work, std::function<void()> then) {
  const Haste haste = live_[id].pool->in_line() > 0 ? Haste::may_wait : Haste::now;
  auto shared_then = std::make_shared<std::function<void()>>(std::move(then));
  store_.submit(
      work,
      [this, id, work, shared_then](Status status) {
        if (status) {
          (*shared_then)();
          return events_.stored();
        }
        spdlog::error("job {}: {}; trying again", id, status.error().message());
        auto timer = std::make_shared<asio::steady_timer>(loop_, store_retry_interval);
        timer->async_wait([this, timer, id, work, shared_then](const std::error_code& error) {
          if (!error) store_until_taken(id, work, std::move(*shared_then));
        });
      },
      haste);
}

/// Its start is told before its end, also where it began without a daemon or beneath an earlier one: in the
/// commit of the end, so nobody has to know afterwards that it was told.
void Jobs::note_unseen_start(LiveJob& job, const Outcome& outcome) {
  if (!std::exchange(job.start_is_told, false) && outcome.started != 0)
    events_.note_start_with_end(outcome.job, outcome.attempt, outcome.started);
}

/// The running job gives its worker and its place back; it counts as not started from now on.
void Jobs::leave_seat(JobId id, LiveJob& job) {
  --job.pool->running;
  ++job.pool->queued;
  job.pool->slots_used -= job.slots;
  job.worker = nullptr;
  job.started = 0;
  job.is_paused = false;
  job.shown = JobState::queued;
  if (job.has_conditions) give_place_back(id);
}

/// Whether this end is only an attempt's: then the next one is on its way.
bool Jobs::try_again(JobId id, const Outcome& outcome, const Source& source) {
  LiveJob& job = live_[id];
  const bool may = job.has_conditions && !job.cancel_wanted &&
                   (outcome.state == JobState::failed || outcome.state == JobState::timed_out ||
                    outcome.state == JobState::lost);
  if (!may) return false;
  if (outcome.reason == Reason::worker_died) ++job.crashes;
  if (job.crashes >= crashes_max)
    return spdlog::error("job {}: {} workers died of it; it is not tried again", id, job.crashes), false;
  // The caller's descriptors of a `run` died with the daemon that had them.
  if (job.foreground && !descriptors_.contains(id)) return false;
  const auto at = gates_.retry_at(id, outcome.attempt, now_micros());
  if (!at) return false;
  note_unseen_start(job, outcome);
  events_.note("job.retrying", id,
               "\"state\":\"" + std::string(name_of(outcome.state)) + "\",\"attempt\":" +
                   std::to_string(outcome.attempt) + ",\"next_at\":\"" + rfc3339(*at) + "\"");
  auto told = std::make_shared<std::vector<EventLog::Told>>(events_.take());
  store_until_taken(
      id,
      [id, at = *at, crashes = job.crashes, told](JobTable& table) -> Status {
        if (auto status = EventLog::write(table, *told); !status) return status;
        return table.retry(id, at, crashes);
      },
      [this, id, source, at = *at] {
        if (!source.worker_key.empty()) workforce_->stored(source.worker_key, source.seq);
        retry_stored(id, at);
      });
  return true;
}

void Jobs::retry_stored(JobId id, Micros not_before) {
  LiveJob& job = live_[id];
  job.phase = LiveJob::Phase::waiting;
  gates_.delay_until(id, not_before);
  if (std::exchange(job.cancel_wanted, false)) return cancel(id, {}, [](Status) {});
  line_up(id);
  if (any_end_) any_end_();
}

void Jobs::ended(JobId id, JobState state, bool has_callback) {
  gates_.leave(id);
  --live_[id].pool->ending;
  live_.erase(id);
  ++counts_[state];
  ++finished_[state];
  waiters_.job_ended(id);
  for (const JobId decided : gates_.job_ended(id, state)) line_up(decided);
  if (has_callback) callbacks_->add(id);
  if (any_end_) any_end_();
  if (++ended_since_trim_ >= trim_interval_jobs) trim_soon();
}

void Jobs::trim_soon() {
  ended_since_trim_ = 0;
  std::uint64_t ended = 0;
  for (const auto& [state, count] : counts_) ended += count;
  const auto excess = ended > config_.keep_jobs ? ended - config_.keep_jobs : 0;
  auto gone = std::make_shared<JobTable::Forgotten>();
  store_.submit(
      [gone, spared = gates_.depended_on(), most = std::min(excess, 2 * trim_interval_jobs),
       keep_events = config_.keep_events](JobTable& table) -> Status {
        auto trimmed = table.trim(most, [&](JobId id) { return spared.contains(id); });
        if (!trimmed) return trimmed.error();
        *gone = std::move(*trimmed);
        return table.trim_events(keep_events);
      },
      [this, gone](Status status) {
        if (!status) return spdlog::error("{}", status.error().message());
        forgotten(*gone);
      });
}

void Jobs::forgotten(const JobTable::Forgotten& what) {
  for (const JobState state : what.states) --counts_[state];
  for (const auto& file : what.stdin_files) ::unlink(file.c_str());
  for (const JobId id : what.ids)
    for (const char* suffix : {".out", ".err"})
      ::unlink((state_dir_ + "/output/" + std::to_string(id) + suffix).c_str());
}

void Jobs::clean(Micros before, std::optional<JobState> state,
                 std::function<void(Result<std::uint64_t>)> done) {
  struct Sweep {
    JobId from = 0;
    std::uint64_t total = 0;
    JobTable::Forgotten gone;
    std::function<void()> step;
  };
  auto sweep = std::make_shared<Sweep>();
  // In pages, so that others' commits come in between.
  sweep->step = [this, sweep, before, state, done = std::move(done)] {
    store_.submit(
        [sweep, before, state, spared = gates_.depended_on()](JobTable& table) -> Status {
          auto gone = table.clean(before, state, sweep->from, trim_interval_jobs,
                                  [&](JobId id) { return spared.contains(id); });
          if (!gone) return gone.error();
          sweep->gone = std::move(*gone);
          return ok();
        },
        [this, sweep, done](Status status) {
          if (status) {
            sweep->total += sweep->gone.ids.size();
            forgotten(sweep->gone);
            if (sweep->from != 0) return sweep->step();
          }
          done(status ? Result<std::uint64_t>(sweep->total) : status.error());
          asio::post(loop_, [sweep] { sweep->step = nullptr; });  // breaks the cycle
        });
  };
  sweep->step();
}

void Jobs::worker_died(Worker& worker, std::optional<Spool::Offer> unwitnessed,
                       std::optional<Spool::Offer> returned) {
  if (worker.seat.pool == Callbacks::pool_name) return callbacks_->keeper_died(worker, unwitnessed, returned);
  if (!worker.is_leaving) events_.note("worker.died", unwitnessed ? unwitnessed->job : 0, detail_of(worker));
  // Its spool goes when the end that nobody saw is stored.
  const Source source{worker.seat.key, worker.seq_seen};
  if (returned) put_back(returned->job);
  if (unwitnessed) {
    end_unwitnessed(worker, *unwitnessed, source);
  } else if (worker.job != 0 && !returned) {
    // It was given an order that neither begun nor recalled: the record told the rest.
    if (const auto found = live_.find(worker.job); found != live_.end() && found->second.worker == &worker)
      put_back(worker.job);
  }
  calls_.worker_died(worker);
  Pool* target = pool(worker.seat.pool);
  if (!target) return;
  for (auto& seat : target->seats)
    if (seat == &worker) seat = nullptr;
  // A worker that dies before its first hello would be forked again at once, for ever.
  if (worker.spool) return asio::post(loop_, [this, target] { staff(*target); });
  auto timer = std::make_shared<asio::steady_timer>(loop_, std::chrono::milliseconds(500));
  timer->async_wait([this, timer, name = target->name](const std::error_code& error) {
    if (Pool* again = error ? nullptr : pool(name)) staff(*again);
  });
}

void Jobs::end_unwitnessed(Worker& worker, const Spool::Offer& begun, Source source) {
  const auto found = live_.find(begun.job);
  if (found == live_.end() || found->second.phase == LiveJob::Phase::ending) {
    workforce_->stored(source.worker_key, source.seq);
    return asio::post(loop_, [this] {
      if (any_end_) any_end_();
    });
  }
  failpoint("end.unwitnessed");
  Outcome outcome = unwitnessed_outcome(begun.job, begun.attempt, JobState::lost, Reason::worker_died);
  outcome.started = found->second.started;
  outcome.slot = worker.seat.slot;
  outcome.worker_pid = worker.pid;
  if (found->second.cancel_wanted) {
    outcome.state = JobState::cancelled;
    outcome.reason = Reason::cancelled;
  } else if (found->second.kind == JobKind::function) {
    outcome.state = JobState::failed;
    outcome.error_type = "WorkerDied";
    outcome.error_message = "the worker (pid " + std::to_string(worker.pid) + ") died while it ran this call";
  }
  end(begun.job, std::move(outcome), source);
}

/// For its events.
std::string Jobs::detail_of(const Worker& worker) {
  return "\"pool\":\"" + worker.seat.pool + "\",\"slot\":" + std::to_string(worker.seat.slot) +
         ",\"pid\":" + std::to_string(worker.pid);
}

void Jobs::put_back(JobId id) {
  const auto found = live_.find(id);
  if (found == live_.end() || found->second.phase != LiveJob::Phase::running) return;
  LiveJob& job = found->second;
  leave_seat(id, job);
  job.phase = LiveJob::Phase::queued;
  const bool cancel_wanted = std::exchange(job.cancel_wanted, false);
  job.pool->queue.push_front(id, job.priority);
  store_.submit([id](JobTable& table) { return table.requeue(id); }, {});
  if (cancel_wanted) return cancel(id, {}, [](Status) {});
  pump_soon(*job.pool);
}

}  // namespace tine
