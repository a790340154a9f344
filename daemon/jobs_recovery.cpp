#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>

#include "core/base/clock.hpp"
#include "daemon/jobs.hpp"

/// What an earlier daemon left: its jobs, its pools, its workers.
namespace tine {
namespace {

/// A waiting tine looks for tined for 10 s.
constexpr auto callers_return_within = std::chrono::seconds(12);

Status end_of_machine(JobTable& table, const JobTable::Unfinished& job) {
  Outcome outcome = unwitnessed_outcome(job.id, job.attempt, JobState::lost, Reason::worker_died);
  outcome.error_type = "MachineDied";
  outcome.error_message = "the machine went down while it may have run";
  return table.finish(job.id, JobState::lost, encode(outcome), job.has_callback ? new_event_id(outcome) : "");
}

/// How the dependencies of unfinished jobs have ended, of those that have.
Status read_dependencies(JobTable& table, const std::vector<JobTable::Unfinished>& unfinished,
                         std::map<JobId, JobState>& ended) {
  std::set<JobId> living;
  for (const auto& job : unfinished) living.insert(job.id);
  for (const auto& job : unfinished) {
    if (!job.conditions) continue;
    for (const auto& dependency : job.conditions->dependencies) {
      if (living.contains(dependency.job) || ended.contains(dependency.job)) continue;
      auto state = table.state_of(dependency.job);
      if (!state) return state.error();
      if (*state) ended[dependency.job] = **state;
    }
  }
  return ok();
}

std::string state_in_store(const std::vector<JobTable::PoolRow>& rows, const std::string& name) {
  for (const auto& row : rows)
    if (row.name == name) return row.state;
  return "open";
}

}  // namespace

void Jobs::enter_gates(const JobTable::Unfinished& entry, const std::map<JobId, JobState>& ended) {
  if (!entry.conditions) return;
  JobSpec spec = *entry.conditions;
  LiveJob& job = live_[entry.id];
  job.has_conditions = true;
  job.slots = static_cast<std::uint16_t>(spec.slots);
  // One that is forgotten had ended as was asked: any other end would have ended this job too.
  std::erase_if(spec.dependencies, [&](const Dependency& dependency) {
    return !live_.contains(dependency.job) && !ended.contains(dependency.job) && dependency.job < entry.id;
  });
  gates_.enter(entry.id, spec, entry.not_before, ended);
}

Status Jobs::recover() {
  forget_call_outputs(state_dir_);
  std::vector<JobTable::Unfinished> unfinished;
  std::vector<JobTable::PoolRow> rows;
  std::vector<JobId> pending;
  std::map<JobId, JobState> states;
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
    if (s) s = read_dependencies(table, unfinished, states);
    return s;
  });
  if (!status) return status;
  std::erase_if(counts_, [](const auto& entry) { return !has_ended(entry.first); });

  const auto make_pool = [this](const std::string& name, std::uint32_t size, const std::string& state,
                                std::uint32_t concurrency = 0) {
    auto& pool = pools_[name];
    if (!pool) pool = std::make_unique<Pool>();
    pool->name = name;
    pool->size = size ? size : usable_cpus();
    pool->is_open = !state.starts_with("closed");
    pool->is_paused = state.ends_with("paused");
    pool->concurrency = concurrency;
  };
  for (const auto& row : rows) make_pool(row.name, row.size, row.state, row.concurrency);
  for (const auto& pool : config_.pools)
    make_pool(pool.name, pool.size, state_in_store(rows, pool.name), pool.concurrency);

  for (const auto& entry : unfinished) {
    if (!this->pool(entry.pool))
      make_pool(entry.pool, 1, "open");  // its pool was in a config that no longer names it
    LiveJob& job = live_[entry.id];
    job.pool = this->pool(entry.pool);
    job.priority = entry.priority;
    job.attempt = entry.attempt;
    job.kind = entry.kind;
    job.foreground = entry.foreground;
    job.has_callback = entry.has_callback;
    // What was intended counts as running until the spools have said who began it.
    const bool may_run = entry.state == JobState::running;
    job.phase = may_run ? LiveJob::Phase::running : LiveJob::Phase::waiting;
    ++(may_run ? job.pool->running : job.pool->queued);
    job.started = 0;
    job.is_held = entry.state == JobState::held;
    job.is_paused = entry.is_paused && may_run;
    job.start_is_told = entry.start_is_told;
    job.crashes = static_cast<std::uint16_t>(entry.crashes);
    enter_gates(entry, states);
    if (may_run) job.pool->slots_used += job.slots;
    if (may_run && job.has_conditions) gates_.take_place(entry.id);
  }
  for (const auto& entry : unfinished)
    if (!live_[entry.id].foreground) line_up(entry.id);

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
    job.awaits_caller =
        job.foreground && (job.phase == LiveJob::Phase::queued || job.phase == LiveJob::Phase::waiting);
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
      if (job.awaits_caller && !job.worker) gone.push_back(id);
    for (const JobId id : gone)
      end_without_record(id, JobState::cancelled, Reason::cancelled, "CallerGone",
                         "its caller did not come back to the new daemon");
  });
}

void Jobs::caller_is_back(JobId id, std::vector<UniqueFd> descriptors) {
  const auto found = live_.find(id);
  if (found == live_.end() || !found->second.awaits_caller) return;
  LiveJob& job = found->second;
  job.awaits_caller = false;
  attach(id, std::move(descriptors));
  if (job.phase == LiveJob::Phase::waiting) return line_up(id);
  job.pool->queue.push_front(id, job.priority);
  pump_soon(*job.pool);
}

void Jobs::end_without_record(JobId id, JobState state, Reason reason, const std::string& error_type,
                              const std::string& message) {
  Outcome outcome = unwitnessed_outcome(id, live_[id].attempt, state, reason);
  outcome.error_type = error_type;
  outcome.error_message = message;
  end(id, std::move(outcome), {});
}

}  // namespace tine
