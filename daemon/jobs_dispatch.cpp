#include <spdlog/spdlog.h>

#include <algorithm>

#include "core/base/clock.hpp"
#include "core/base/failpoint.hpp"
#include "daemon/jobs.hpp"

/// How a job comes from the line to a worker, and who sits where.
namespace tine {
namespace {

/// Intents stored ahead of need: enough to keep small jobs running while one group is on its way to the disk.
constexpr std::size_t ahead_per_worker = 16;
constexpr std::size_t ahead_per_coroutine_worker = 512;
/// How often a worker is called back from calls while jobs wait.
constexpr auto recall_interval = std::chrono::milliseconds(50);
/// A waiting tine looks for tined for 10 s.
constexpr auto callers_return_within = std::chrono::seconds(12);

}  // namespace

void Jobs::zygote_is_ready() {
  zygote_ready_ = true;
  zygote_failure_.clear();
  if (zygote_hook_) zygote_hook_();
  for (auto& [name, pool] : pools_) staff(*pool);
  callbacks_->pump();
}

void Jobs::zygote_failed(const std::string& why) {
  zygote_failure_ = why;
  if (zygote_hook_) zygote_hook_();
}

void Jobs::staff(Pool& pool) {
  if (!workforce_->is_ready() || draining_) return;
  if (pool.seats.size() < pool.size) pool.seats.resize(pool.size);
  for (std::uint32_t slot = 0; slot < pool.seats.size(); ++slot) {
    Worker*& seat = pool.seats[slot];
    // One that leaves may take its time: its tasks are many.
    const bool is_vacant = !seat || (seat->is_coroutine() && seat->is_leaving);
    if (is_vacant && slot < pool.size) seat = &workforce_->hire(pool.name, slot, pool.concurrency);
    if (seat && slot >= pool.size && !seat->is_leaving) workforce_->dismiss(*seat);
  }
  while (pool.seats.size() > pool.size && !pool.seats.back()) pool.seats.pop_back();
}

void Jobs::worker_is_free(Worker& worker) {
  if (worker.seat.pool == Callbacks::pool_name) return callbacks_->keeper_is_free(worker);
  Pool* target = pool(worker.seat.pool);
  if (!target) return workforce_->dismiss(worker);
  if (!worker.is_coroutine()) occupy(*target, worker);
  pump_soon(*target);
}

/// Jobs and calls take turns where both wait.
void Jobs::occupy(Pool& pool, Worker& worker) {
  const bool has_job = !pool.ready.empty() && !draining_;
  if (has_job && !(worker.did_job_last && calls_.wants_workers(pool.name))) return start(pool, worker);
  worker.did_job_last = false;
  calls_.take(worker);
}

void Jobs::worker_left_duty(Worker& worker) { calls_.duty_done(worker); }
void Jobs::worker_is_wanted_back(Worker& worker) { calls_.recall(worker); }

void Jobs::pump_soon(Pool& pool) {
  if (std::exchange(pool.pump_posted, true)) return;
  asio::post(loop_, [this, name = pool.name] {
    if (Pool* target = this->pool(name)) {
      target->pump_posted = false;
      pump(*target);
    }
  });
}

void Jobs::pump(Pool& pool) {
  if (pool.concurrency > 0)
    pump_tasks(pool);
  else
    for (Worker* worker : pool.seats)
      if (worker && worker->is_free()) occupy(pool, *worker);
  if (draining_) return;
  request_intents(pool);
  if (!pool.ready.empty() && !calls_.is_empty()) recall_for_jobs(pool);
}

void Jobs::recall_for_jobs(Pool& pool) {
  if (pool.recall_posted || !calls_.recall_one(pool.name)) return;
  pool.recall_posted = true;
  auto timer = std::make_shared<asio::steady_timer>(loop_, recall_interval);
  timer->async_wait([this, timer, name = pool.name](const std::error_code& error) {
    Pool* target = error ? nullptr : this->pool(name);
    if (!target) return;
    target->recall_posted = false;
    pump_soon(*target);
  });
}

void Jobs::start(Pool& pool, Worker& worker) {
  Pool::Ready ready = std::move(pool.ready.front());
  pool.ready.pop_front();
  LiveJob& job = live_[ready.id];
  --pool.queued;
  ++pool.running;
  job.phase = LiveJob::Phase::running;
  job.worker = &worker;
  job.started = now_micros();
  worker.did_job_last = true;
  StartOrder order;
  order.job = ready.id;
  order.attempt = job.attempt = ready.data.attempt;
  order.spec = std::move(ready.data.spec);
  order.environment = std::move(ready.data.environment);
  std::vector<UniqueFd> descriptors;
  if (const auto found = descriptors_.find(ready.id); found != descriptors_.end()) {
    descriptors = std::move(found->second);
    descriptors_.erase(found);
    order.descriptors = static_cast<std::uint8_t>(descriptors.size());
  }
  workforce_->order(worker, order, std::move(descriptors));
  waiters_.job_started(ready.id);
}

void Jobs::request_intents(Pool& pool) {
  const std::size_t wanted = (pool.concurrency > 0 ? ahead_per_coroutine_worker : ahead_per_worker) *
                             std::max<std::size_t>(1, pool.size);
  // In halves, so that one group is being started while the next is being stored.
  if (pool.queue.is_empty() || pool.intending > 0 || pool.ready.size() > wanted / 2) return;
  std::vector<JobId> ids;
  while (ids.size() + pool.ready.size() < wanted) {
    const auto next = pool.queue.pop([this](JobId id) {
      const LiveJob* job = find(id);
      return job && job->phase == LiveJob::Phase::queued && !job->awaits_caller;
    });
    if (!next) break;
    live_[*next].phase = LiveJob::Phase::intending;
    ids.push_back(*next);
  }
  if (ids.empty()) return;
  pool.intending = ids.size();
  failpoint("job.chosen");
  auto data = std::make_shared<std::vector<JobTable::StartData>>();
  store_.submit(
      [ids, data](JobTable& table) -> Status {
        data->clear();
        for (const JobId id : ids) {
          auto one = table.intend(id);
          if (!one) return one.error();
          data->push_back(std::move(*one));
        }
        return ok();
      },
      [this, ids, data, name = pool.name](Status status) {
        if (Pool* target = this->pool(name)) intents_stored(*target, ids, std::move(*data), status);
      });
}

void Jobs::intents_stored(Pool& pool, const std::vector<JobId>& ids, std::vector<JobTable::StartData> data,
                          const Status& status) {
  pool.intending = 0;
  if (!status) {
    spdlog::error("pool {}: {}; trying again", pool.name, status.error().message());
    for (auto id = ids.rbegin(); id != ids.rend(); ++id) {
      live_[*id].phase = LiveJob::Phase::queued;
      pool.queue.push_front(*id, live_[*id].priority);
      if (std::exchange(live_[*id].cancel_wanted, false)) cancel(*id, {}, [](Status) {});
    }
    auto timer = std::make_shared<asio::steady_timer>(loop_, std::chrono::seconds(1));
    return timer->async_wait([this, timer, name = pool.name](const std::error_code& error) {
      if (Pool* target = error ? nullptr : this->pool(name)) pump(*target);
    });
  }
  failpoint("intent.stored");
  for (std::size_t i = 0; i < ids.size(); ++i)
    if (const LiveJob* job = find(ids[i]); job && job->phase == LiveJob::Phase::intending)
      make_ready(pool, ids[i], std::move(data[i]));
  pump(pool);
}

void Jobs::make_ready(Pool& pool, JobId id, JobTable::StartData data) {
  LiveJob& job = live_[id];
  job.phase = LiveJob::Phase::ready;
  job.attempt = data.attempt;
  const auto place = std::upper_bound(
      pool.ready.begin(), pool.ready.end(), job.priority,
      [](std::int32_t priority, const Pool::Ready& other) { return priority > other.priority; });
  pool.ready.insert(place, {id, job.priority, std::move(data)});
  if (std::exchange(job.cancel_wanted, false)) cancel(id, {}, [](Status) {});
}

// --- pools
// ----------------------------------------------------------------------------------------------------------

void Jobs::add_pool(const std::string& name, std::uint32_t size, std::uint32_t concurrency,
                    std::function<void(Status)> done) {
  store_.submit(
      [name, size, concurrency](JobTable& table) {
        return table.put_pool({name, size, "open", concurrency});
      },
      [this, name, size, concurrency, done = std::move(done)](Status status) {
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
  store_.submit(
      [name = pool.name, size, open = pool.is_open, concurrency = pool.concurrency](JobTable& table) {
        return table.put_pool({name, size, open ? "open" : "closed", concurrency});
      },
      [this, name = pool.name, size, done = std::move(done)](Status status) {
        if (Pool* target = this->pool(name); target && status) {
          target->size = size;
          staff(*target);
          pump_soon(*target);
        }
        done(std::move(status));
      });
}

void Jobs::set_open(Pool& pool, bool open, std::function<void(Status)> done) {
  pool.is_open = open;
  store_.submit(
      [name = pool.name, size = pool.size, open, concurrency = pool.concurrency](JobTable& table) {
        return table.put_pool({name, size, open ? "open" : "closed", concurrency});
      },
      std::move(done));
}

// --- recovery
// -------------------------------------------------------------------------------------------------------

namespace {

Status end_of_machine(JobTable& table, const JobTable::Unfinished& job) {
  Outcome outcome;
  outcome.job = job.id;
  outcome.attempt = job.attempt;
  outcome.state = JobState::lost;
  outcome.reason = Reason::worker_died;
  outcome.error_type = "MachineDied";
  outcome.error_message = "the machine went down while it may have run";
  outcome.finished = now_micros();
  return table.finish(job.id, JobState::lost, encode(outcome), job.has_callback ? new_event_id(outcome) : "");
}

}  // namespace

Status Jobs::recover() {
  forget_call_outputs(state_dir_);
  std::vector<JobTable::Unfinished> unfinished;
  std::vector<JobTable::PoolRow> rows;
  std::vector<JobId> pending;
  auto status = store_.now([&](JobTable& table) -> Status {
    auto s = table.each_unfinished([&](const JobTable::Unfinished& job) { unfinished.push_back(job); });
    // In one commit with the new boot's id: a second start in this boot must not take them for not begun.
    if (s && table.meta("boot_id") != boot_id()) {
      for (const auto& job : unfinished)
        if (s && job.state == JobState::running) s = end_of_machine(table, job);
      std::erase_if(unfinished, [](const auto& job) { return job.state == JobState::running; });
      if (s) s = table.set_meta("boot_id", boot_id());
    }
    rows = table.pools();
    counts_ = table.counts();
    pending = table.pending_callbacks();
    return s;
  });
  if (!status) return status;
  std::erase_if(counts_, [](const auto& entry) { return !has_ended(entry.first); });

  const auto make_pool = [this](const std::string& name, std::uint32_t size, bool open,
                                std::uint32_t concurrency = 0) {
    auto& pool = pools_[name];
    if (!pool) pool = std::make_unique<Pool>();
    pool->name = name;
    pool->size = size ? size : usable_cpus();
    pool->is_open = open;
    pool->concurrency = concurrency;
  };
  for (const auto& row : rows) make_pool(row.name, row.size, row.state == "open", row.concurrency);
  for (const auto& pool : config_.pools)
    make_pool(pool.name, pool.size, !this->pool(pool.name) || this->pool(pool.name)->is_open,
              pool.concurrency);

  for (const auto& entry : unfinished) {
    if (!this->pool(entry.pool))
      make_pool(entry.pool, 1, true);  // its pool was in a config that no longer names it
    LiveJob& job = live_[entry.id];
    job.pool = this->pool(entry.pool);
    job.priority = entry.priority;
    job.attempt = entry.attempt;
    job.kind = entry.kind;
    job.foreground = entry.foreground;
    job.has_callback = entry.has_callback;
    // What was intended counts as running until the spools have said who began it.
    job.phase = entry.state == JobState::running ? LiveJob::Phase::running : LiveJob::Phase::queued;
    ++(job.phase == LiveJob::Phase::running ? job.pool->running : job.pool->queued);
    job.started = 0;
    if (job.phase == LiveJob::Phase::queued) job.pool->queue.push(entry.id, entry.priority);
  }

  for (const auto& key : Spool::list(state_dir_)) {
    Worker* worker = workforce_->adopt(key);
    if (!worker) continue;
    const WorkerSeat seat = worker->seat;
    Pool* target = this->pool(seat.pool);
    if (target && seat.pool != Callbacks::pool_name) {
      if (target->seats.size() <= seat.slot) target->seats.resize(seat.slot + 1);
      if (!target->seats[seat.slot]) target->seats[seat.slot] = worker;
    }
    workforce_->settle(*worker);
    const auto still = workforce_->workers().find(key);
    if (still == workforce_->workers().end()) continue;
    adopt_tasks(*worker);
    if (worker->job == 0) continue;
    if (worker->kind == OrderKind::callback) {
      callbacks_->adopt(worker->job);
      std::erase(pending, worker->job);
    } else if (const auto found = live_.find(worker->job); found != live_.end()) {
      found->second.worker = worker;
      found->second.started = now_micros();
    } else {
      spdlog::error("job {} runs, and the store does not know it: it is left to finish", worker->job);
    }
  }

  // Newest first: each that goes back in line goes to its head.
  for (auto it = unfinished.rbegin(); it != unfinished.rend(); ++it) {
    const auto& entry = *it;
    const auto found = live_.find(entry.id);
    if (found == live_.end()) continue;
    LiveJob& job = found->second;
    if (job.phase == LiveJob::Phase::running && !job.worker) {
      job.started = 1;  // put_back() clears it
      put_back(entry.id);
    }
    // A `run` that had not begun: its caller's descriptors died with the old daemon.
    job.awaits_caller = job.foreground && job.phase == LiveJob::Phase::queued;
  }
  await_callers();
  for (const JobId id : pending) callbacks_->add(id);
  return ok();
}

void Jobs::await_callers() {
  auto timer = std::make_shared<asio::steady_timer>(loop_, callers_return_within);
  timer->async_wait([this, timer](const std::error_code& error) {
    if (error) return;
    std::vector<JobId> gone;
    for (const auto& [id, job] : live_)
      if (job.awaits_caller && job.phase == LiveJob::Phase::queued) gone.push_back(id);
    for (const JobId id : gone)
      end_without_record(id, JobState::cancelled, Reason::cancelled, "CallerGone",
                         "its caller did not come back to the new daemon");
  });
}

void Jobs::caller_is_back(JobId id, std::vector<UniqueFd> descriptors) {
  const auto found = live_.find(id);
  if (found == live_.end() || !found->second.awaits_caller) return;
  found->second.awaits_caller = false;
  attach(id, std::move(descriptors));
  found->second.pool->queue.push_front(id, found->second.priority);
  pump_soon(*found->second.pool);
}

void Jobs::end_without_record(JobId id, JobState state, Reason reason, const std::string& error_type,
                              const std::string& message) {
  Outcome outcome;
  outcome.job = id;
  outcome.attempt = live_[id].attempt;
  outcome.state = state;
  outcome.reason = reason;
  outcome.error_type = error_type;
  outcome.error_message = message;
  outcome.finished = now_micros();
  end(id, std::move(outcome), {});
}

}  // namespace tine
