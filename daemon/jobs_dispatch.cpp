#include <fcntl.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "core/base/clock.hpp"
#include "core/base/failpoint.hpp"
#include "daemon/jobs.hpp"

/// How a job comes from the line to a worker, and who sits where.
namespace tine {
namespace {

/// Intents stored ahead of need, for each worker: enough to keep small jobs running while one group is on its
/// way to the disk. Not more: what was not begun when the machine goes down is lost, as nobody can tell.
constexpr double intended_us = 20000;
constexpr std::size_t intended_least = 4, intended_most = 64, intended_at_first = 16;
constexpr std::size_t ahead_per_coroutine_worker = 512;
/// A worker is given so much ahead that it can go on while the daemon hears of what it has ended.
constexpr double ahead_us = 10000;
constexpr double newest_weight = 0.125;  ///< of the last command, in the pace of its pool
/// How often a worker is called back from calls while jobs wait.
constexpr auto recall_interval = std::chrono::milliseconds(50);

StartOrder order_of(Pool::Ready ready) {
  StartOrder order;
  order.job = ready.id;
  order.attempt = ready.data.attempt;
  order.spec = std::move(ready.data.spec);
  order.environment = std::move(ready.data.environment);
  return order;
}

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
  if (!std::exchange(worker.is_announced, true) && worker.is_ours)
    events_.note("worker.started", 0, detail_of(worker));
  if (!worker.is_coroutine()) occupy(*target, worker);
  pump_soon(*target);
}

/// One of higher priority is on its way: its intent is being stored.
bool Jobs::is_overtaken(const Pool& pool) const {
  return pool.intending > 0 && pool.intending_priority > pool.ready.front().priority;
}

/// Jobs and calls take turns where both wait. A job that asks for more slots than are free holds up those
/// behind it: else small ones would keep it out for ever.
void Jobs::occupy(Pool& pool, Worker& worker) {
  if (pool.is_paused) return;
  const bool has_job = !pool.ready.empty() && !draining_ && !is_overtaken(pool) &&
                       pool.slots_used + live_.at(pool.ready.front().id).slots <= pool.size;
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
  const bool starts_more = !draining_ && !pool.is_paused;
  if (starts_more) request_intents(pool);  // before a free worker takes what a higher one overtakes
  if (pool.concurrency > 0)
    pump_tasks(pool);
  else
    for (Worker* worker : pool.seats)
      if (worker && worker->is_free()) occupy(pool, *worker);
  if (!starts_more) return;
  if (pool.concurrency == 0)
    for (Worker* worker : pool.seats)
      if (worker) give_ahead(pool, *worker);
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
  StartOrder order = order_of(std::move(ready));
  begin(order.job, worker, order.attempt);
  const LiveJob& job = live_[order.job];
  std::vector<UniqueFd> descriptors;
  if (const auto found = descriptors_.find(order.job); found != descriptors_.end()) {
    // Another attempt may need the caller's descriptors again.
    if (job.has_conditions)
      for (const auto& descriptor : found->second)
        descriptors.emplace_back(::fcntl(descriptor.get(), F_DUPFD_CLOEXEC, 3));
    else
      descriptors = std::move(found->second);
    if (!job.has_conditions) descriptors_.erase(found);
    order.descriptors = static_cast<std::uint8_t>(descriptors.size());
  }
  const JobId id = order.job;
  workforce_->order(worker, std::move(order), std::move(descriptors));
  waiters_.job_started(id);
}

void Jobs::begin(JobId id, Worker& worker, std::uint32_t attempt) {
  LiveJob& job = live_[id];
  Pool& pool = *job.pool;
  --pool.queued;
  ++pool.running;
  pool.slots_used += job.slots;
  job.phase = LiveJob::Phase::running;
  job.worker = &worker;
  job.offered_to = nullptr;
  job.started = now_micros();
  job.attempt = attempt;
  if (!std::exchange(job.start_is_told, true)) events_.note_start(id, attempt, job.started);
  worker.did_job_last = true;
}

/// What many short commands cost is mostly to wake whom they need: so a worker has a few of them ahead. Only
/// as long as the next job is of that kind, so that none overtakes another.
void Jobs::give_ahead(Pool& pool, Worker& worker) {
  const LiveJob* const runs = find(worker.job);
  if (!worker.link || worker.is_leaving || worker.is_slow || !runs || runs->kind != JobKind::command) return;
  if (pool.run_us <= 0 || calls_.wants_workers(pool.name)) return;
  const double share = static_cast<double>(pool.in_line()) / (2.0 * std::max(1u, pool.size));
  const auto wanted = static_cast<std::size_t>(
      std::min({ahead_us / pool.run_us, share, static_cast<double>(Workforce::line_max)}));
  // In halves, so that many go with one message.
  if (worker.line.size() > wanted / 2) return;
  std::vector<StartOrder> orders;
  while (worker.line.size() + orders.size() < wanted && !pool.ready.empty() && !is_overtaken(pool) &&
         may_go_ahead(pool.ready.front().id)) {
    LiveJob& job = live_[pool.ready.front().id];
    job.phase = LiveJob::Phase::offered;
    job.offered_to = &worker;
    orders.push_back(order_of(std::move(pool.ready.front())));
    pool.ready.pop_front();
  }
  if (!orders.empty()) workforce_->order_ahead(worker, std::move(orders));
}

/// It needs the place of what runs, nothing more.
bool Jobs::may_go_ahead(JobId id) const {
  const LiveJob* const job = find(id);
  return job && job->kind == JobKind::command && job->slots == 1 && !descriptors_.contains(id);
}

void Jobs::worker_began(Worker& worker) {
  const auto found = live_.find(worker.job);
  if (found == live_.end() || found->second.phase != LiveJob::Phase::offered) return;
  begin(worker.job, worker, worker.attempt);
  waiters_.job_started(worker.job);
}

void Jobs::line_returned(std::vector<StartOrder> orders) {
  for (StartOrder& order : orders) {
    const auto found = live_.find(order.job);
    if (found == live_.end() || found->second.phase != LiveJob::Phase::offered) continue;
    found->second.offered_to = nullptr;
    make_ready(*found->second.pool, order.job,
               {order.attempt, std::move(order.spec), std::move(order.environment)}, Arrival::returned);
    pump_soon(*found->second.pool);
  }
}

void Jobs::settle(JobId id) {
  if (const auto found = live_.find(id); found != live_.end() && found->second.offered_to)
    workforce_->take_line_back(*found->second.offered_to);
}

/// Those whose next job has a lower priority than this one.
void Jobs::take_lines_back(const Pool& pool, std::int64_t below_priority) {
  for (Worker* worker : pool.seats) {
    if (!worker || worker->line.empty()) continue;
    const LiveJob* const last = find(worker->line.back().job);
    if (last && last->priority < below_priority) workforce_->take_line_back(*worker);
  }
}

void Jobs::drain() {
  draining_ = true;
  for (const auto& [name, pool] : pools_) take_lines_back(*pool);
}

void Jobs::note_pace(Pool& pool, const Outcome& outcome) {
  const auto took = static_cast<double>(std::max<Micros>(1, outcome.finished - outcome.started));
  pool.run_us = pool.run_us <= 0 ? took : pool.run_us + newest_weight * (took - pool.run_us);
}

std::size_t Jobs::intents_wanted(const Pool& pool) {
  if (pool.concurrency > 0) return ahead_per_coroutine_worker * std::max(1u, pool.size);
  const auto each = pool.run_us > 0 ? static_cast<std::size_t>(intended_us / pool.run_us) : intended_at_first;
  return std::clamp(each, intended_least, intended_most) * std::max(1u, pool.size);
}

void Jobs::request_intents(Pool& pool) {
  const std::size_t wanted = intents_wanted(pool);
  // In halves, so that one group is being started while the next is being stored.
  const auto overtakes = [&] {
    return !pool.queue.is_empty() && !pool.ready.empty() &&
           pool.queue.highest_priority() > pool.ready.front().priority;
  };
  if (pool.queue.is_empty() || pool.intending > 0 || (pool.ready.size() > wanted / 2 && !overtakes())) return;
  std::vector<JobId> ids;
  while (ids.size() + pool.ready.size() < wanted || (ids.size() < wanted && overtakes())) {
    const auto next = pool.queue.pop([this](JobId id) {
      const LiveJob* job = find(id);
      return job && job->phase == LiveJob::Phase::queued && !job->awaits_caller &&
             (!job->has_conditions || gates_.take_place(id));
    });
    if (!next) break;
    live_[*next].phase = LiveJob::Phase::intending;
    ids.push_back(*next);
  }
  if (ids.empty()) return;
  pool.intending = ids.size();
  pool.intending_priority = live_[ids.front()].priority;
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
      },
      pool.ready.empty() || pool.intending_priority > pool.ready.front().priority ? Haste::now
                                                                                  : Haste::may_wait);
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
  take_lines_back(pool, pool.intending_priority);
  for (std::size_t i = 0; i < ids.size(); ++i)
    if (const LiveJob* job = find(ids[i]); job && job->phase == LiveJob::Phase::intending)
      make_ready(pool, ids[i], std::move(data[i]));
  pump(pool);
}

void Jobs::make_ready(Pool& pool, JobId id, JobTable::StartData data, Arrival arrival) {
  LiveJob& job = live_[id];
  job.phase = LiveJob::Phase::ready;
  job.attempt = data.attempt;
  // One that comes back from a worker had been here before those of its kind that are here now.
  const auto comes_later = [&](const Pool::Ready& other) {
    return other.priority < job.priority ||
           (arrival == Arrival::returned && other.priority == job.priority && other.id > id);
  };
  const auto place = std::find_if(pool.ready.begin(), pool.ready.end(), comes_later);
  pool.ready.insert(place, {id, job.priority, std::move(data)});
  if (std::exchange(job.cancel_wanted, false)) cancel(id, {}, [](Status) {});
}

}  // namespace tine
