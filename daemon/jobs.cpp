#include "daemon/jobs.hpp"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>

#include "core/base/clock.hpp"
#include "core/base/failpoint.hpp"

namespace tine {
namespace {

/// A job that came from another boot, or was lost some other way, has no witness.
Outcome unwitnessed_outcome(JobId id, std::uint32_t attempt, JobState state, Reason reason) {
  Outcome outcome;
  outcome.job = id;
  outcome.attempt = attempt;
  outcome.state = state;
  outcome.reason = reason;
  outcome.finished = now_micros();
  return outcome;
}

constexpr std::uint64_t trim_interval_jobs = 1000;
constexpr auto store_retry_interval = std::chrono::seconds(1);

}  // namespace

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
      next_id_(store.first_free_id()) {
  calls_.on_want([this](const std::string& name) {
    if (Pool* wanted = pool(name)) pump_soon(*wanted);
  });
}

void Jobs::use(Workforce& workforce) {
  workforce_ = &workforce;
  callbacks_->use(workforce);
  calls_.use(workforce);
}

void Jobs::on_any_end(std::function<void()> hook) {
  any_end_ = hook;
  callbacks_->on_any_end(hook);
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
  return callbacks_->running() == 0 && calls_.is_empty() && unknown_work().empty() &&
         std::none_of(live_.begin(), live_.end(), [](const auto& entry) {
           return entry.second.phase == LiveJob::Phase::running ||
                  (entry.second.phase == LiveJob::Phase::ending && entry.second.started);
         });
}

std::vector<Worker*> Jobs::unknown_work() const {
  std::vector<Worker*> unknown;
  for (const auto& [key, worker] : workforce_->workers())
    if (worker->job != 0 && worker->kind == OrderKind::job && !live_.contains(worker->job))
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

Status Jobs::check_function(const std::string& name) const {
  if (workforce_->functions().contains(name)) return ok();
  std::string names;
  for (const auto& known : workforce_->functions()) names += " " + known;
  return make_error(Errc::usage, "function: there is no function \"" + name + "\"; allowed:" + names);
}

Status Jobs::check(const std::vector<JobSpec>& specs) {
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const JobSpec& spec = specs[i];
    const auto found = open_pool(spec.pool);
    Status status = found ? ok() : Status(found.error());
    if (status && spec.kind == JobKind::function) status = check_function(spec.function);
    if (status) continue;
    const std::string where = specs.size() > 1 ? "line " + std::to_string(i + 1) + ": " : "";
    return Error{status.error().code, where + status.error().context};
  }
  return ok();
}

void Jobs::submit(std::vector<JobSpec> specs, const std::string& environment, Submitted done) {
  if (auto status = check(specs); !status) return done(status.error());
  failpoint("job.received");
  struct Batch {
    std::vector<JobSpec> specs;
    std::vector<std::string> bytes;
    std::vector<JobId> ids;
    std::vector<bool> intended;
    std::string environment;
    Micros submitted = now_micros();
  };
  auto batch = std::make_shared<Batch>();
  batch->environment = environment;
  std::map<Pool*, std::size_t> taken;
  for (auto& spec : specs) {
    Pool* target = pool(spec.pool);
    const auto idle = static_cast<std::size_t>(std::count_if(target->seats.begin(), target->seats.end(),
                                                             [](Worker* w) { return w && w->is_free(); }));
    // With a worker free for it, the intent is stored in the same commit as the job: one wait for the disk
    // less.
    const bool intend =
        target->queue.is_empty() && idle > target->ready.size() + target->intending + taken[target];
    if (intend) ++taken[target];
    batch->intended.push_back(intend);
    batch->ids.push_back(next_id_++);
    batch->bytes.push_back(encode(spec));
    batch->specs.push_back(std::move(spec));
  }
  store_.submit(
      [batch](JobTable& table) -> Status {
        auto environment_id = table.environment(batch->environment);
        if (!environment_id) return environment_id.error();
        for (std::size_t i = 0; i < batch->ids.size(); ++i) {
          const JobState state = batch->intended[i] ? JobState::running : JobState::queued;
          const JobTable::NewJob job{batch->ids[i], state, batch->submitted, &batch->specs[i],
                                     batch->bytes[i]};
          if (auto status = table.insert(job, *environment_id); !status) return status;
        }
        return ok();
      },
      [this, batch, done = std::move(done)](Status status) {
        if (!status) return done(status.error());
        failpoint("job.stored");
        for (std::size_t i = 0; i < batch->ids.size(); ++i)
          accept(batch->ids[i], batch->specs[i], batch->intended[i], std::move(batch->bytes[i]),
                 batch->environment);
        done(batch->ids);
        failpoint("job.id_printed");
      });
}

void Jobs::accept(JobId id, const JobSpec& spec, bool intended, std::string spec_bytes,
                  const std::string& environment) {
  Pool* target = pool(spec.pool);
  LiveJob& job = live_[id];
  job.pool = target;
  job.priority = spec.priority;
  job.kind = spec.kind;
  job.foreground = spec.foreground != Foreground::no;
  job.has_callback = !spec.callback.empty();
  ++target->queued;
  ++submitted_;
  if (intended) {
    make_ready(*target, id, {1, std::move(spec_bytes), environment});
  } else {
    target->queue.push(id, spec.priority);
  }
  pump_soon(*target);
}

// --- control
// --------------------------------------------------------------------------------------------------------

void Jobs::cancel(JobId id, std::optional<double> kill_after_s, std::function<void(Status)> done) {
  const auto found = live_.find(id);
  if (found == live_.end()) return done(ok());
  LiveJob& job = found->second;
  switch (job.phase) {
    case LiveJob::Phase::ending:
      return done(ok());
    case LiveJob::Phase::intending:
      job.cancel_wanted = true;
      return done(ok());
    case LiveJob::Phase::queued:
      return end(id, unwitnessed_outcome(id, job.attempt, JobState::cancelled, Reason::cancelled), {},
                 std::move(done));
    case LiveJob::Phase::ready: {
      std::erase_if(job.pool->ready, [id](const Pool::Ready& ready) { return ready.id == id; });
      return end(id, unwitnessed_outcome(id, job.attempt, JobState::cancelled, Reason::cancelled), {},
                 std::move(done));
    }
    case LiveJob::Phase::running:
      break;
  }
  job.cancel_wanted = true;
  if (job.kind == JobKind::function)
    workforce_->kill(*job.worker);
  else
    workforce_->cancel(*job.worker, kill_after_s.value_or(-1));
  done(ok());
}

Status Jobs::signal(JobId id, int signal) {
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
  if (found == live_.end() || found->second.phase == LiveJob::Phase::ending) {
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
    --job.pool->running;
    job.worker = nullptr;
  } else {
    --job.pool->queued;
  }
  job.phase = LiveJob::Phase::ending;
  descriptors_.erase(id);
  const JobState state = outcome.state;
  const bool has_callback = job.has_callback;
  auto bytes = std::make_shared<std::string>(encode(outcome));
  std::string event_id;
  if (has_callback) event_id = new_event_id(outcome);
  auto try_it = std::make_shared<std::function<void()>>();
  *try_it = [this, id, state, bytes, event_id, source, done, has_callback, try_it] {
    store_.submit(
        [id, state, bytes, event_id](JobTable& table) { return table.finish(id, state, *bytes, event_id); },
        [this, id, state, source, done, has_callback, try_it](Status status) {
          if (!status) {
            // The worker keeps its record until the disk takes it.
            spdlog::error("job {}: {}; trying again", id, status.error().message());
            auto timer = std::make_shared<asio::steady_timer>(loop_, store_retry_interval);
            return timer->async_wait([timer, try_it](const std::error_code& e) {
              if (!e) (*try_it)();
            });
          }
          failpoint("end.stored");
          if (!source.worker_key.empty()) workforce_->stored(source.worker_key, source.seq);
          ended(id, state, has_callback);
          if (done) done(ok());
          // Breaks the cycle that kept the work alive for another try.
          asio::post(loop_, [try_it] { *try_it = nullptr; });
        });
  };
  (*try_it)();
}

void Jobs::ended(JobId id, JobState state, bool has_callback) {
  live_.erase(id);
  ++counts_[state];
  ++finished_[state];
  waiters_.job_ended(id);
  if (has_callback) callbacks_->add(id);
  if (any_end_) any_end_();
  if (++ended_since_trim_ >= trim_interval_jobs) trim_soon();
}

void Jobs::trim_soon() {
  ended_since_trim_ = 0;
  auto gone = std::make_shared<std::vector<JobId>>();
  store_.submit(
      [gone, keep = config_.keep_jobs](JobTable& table) -> Status {
        auto trimmed = table.trim(keep, 2 * trim_interval_jobs);
        if (!trimmed) return trimmed.error();
        *gone = std::move(*trimmed);
        return ok();
      },
      [this, gone](Status status) {
        if (!status) return spdlog::error("{}", status.error().message());
        for (const JobId id : *gone)
          for (const char* suffix : {".out", ".err"})
            ::unlink((state_dir_ + "/output/" + std::to_string(id) + suffix).c_str());
      });
}

void Jobs::worker_died(Worker& worker, std::optional<Spool::Offer> unwitnessed,
                       std::optional<Spool::Offer> returned) {
  if (worker.seat.pool == Callbacks::pool_name) return callbacks_->keeper_died(worker, unwitnessed, returned);
  // Its spool goes when the end that nobody saw is stored.
  const Source source{worker.seat.key, worker.seq_seen};
  if (returned) put_back(returned->job);
  if (unwitnessed) {
    const auto found = live_.find(unwitnessed->job);
    if (found != live_.end() && found->second.phase != LiveJob::Phase::ending) {
      Outcome outcome =
          unwitnessed_outcome(unwitnessed->job, unwitnessed->attempt, JobState::lost, Reason::worker_died);
      outcome.started = found->second.started;
      outcome.slot = worker.seat.slot;
      outcome.worker_pid = worker.pid;
      if (found->second.cancel_wanted) {
        outcome.state = JobState::cancelled;
        outcome.reason = Reason::cancelled;
      } else if (found->second.kind == JobKind::function) {
        outcome.state = JobState::failed;
        outcome.error_type = "WorkerDied";
        outcome.error_message =
            "the worker (pid " + std::to_string(worker.pid) + ") died while it ran this call";
      }
      end(unwitnessed->job, std::move(outcome), source);
    } else {
      workforce_->stored(source.worker_key, source.seq);
      asio::post(loop_, [this] {
        if (any_end_) any_end_();
      });
    }
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

void Jobs::put_back(JobId id) {
  const auto found = live_.find(id);
  if (found == live_.end() || found->second.phase != LiveJob::Phase::running) return;
  LiveJob& job = found->second;
  --job.pool->running;
  ++job.pool->queued;
  job.phase = LiveJob::Phase::queued;
  job.worker = nullptr;
  job.started = 0;
  const bool cancel_wanted = std::exchange(job.cancel_wanted, false);
  job.pool->queue.push_front(id, job.priority);
  store_.submit([id](JobTable& table) { return table.requeue(id); }, {});
  if (cancel_wanted) return cancel(id, {}, [](Status) {});
  pump_soon(*job.pool);
}

}  // namespace tine
