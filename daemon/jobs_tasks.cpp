#include <algorithm>

#include "core/base/clock.hpp"
#include "daemon/jobs.hpp"

/// Jobs and calls of coroutine pools.
namespace tine {
namespace {

/// Tasks that are cancelled unwind in that time, or their worker is killed: the daemon ends.
constexpr double unwinding_least_s = 1;

Worker* roomiest(const Pool& pool) {
  Worker* best = nullptr;
  for (Worker* worker : pool.seats)
    if (worker && worker->room() > (best ? best->room() : 0)) best = worker;
  return best;
}

}  // namespace

/// Jobs and calls take turns where both wait, place by place.
void Jobs::pump_tasks(Pool& pool) {
  if (pool.is_paused) return;
  while (Worker* const worker = roomiest(pool)) {
    // More than that run only while workers that leave still have some.
    const bool has_job =
        !pool.ready.empty() && !draining_ && !is_overtaken(pool) && pool.running < pool.capacity();
    if (has_job && !(worker->did_job_last && task_calls_.wants_place(pool.name))) {
      start(pool, *worker);
      continue;
    }
    worker->did_job_last = false;
    if (!task_calls_.give_one(*worker)) return;
  }
}

void Jobs::task_answered(const WorkerTask& task, CallAnswer answer) {
  task_calls_.answered(task.session, task.index, std::move(answer));
}

void Jobs::task_died(Worker& worker, const Spool::Offer& begun, std::uint64_t seq) {
  end_unwitnessed(worker, begun, {worker.seat.key, seq});
}

void Jobs::task_returned(JobId job) { put_back(job); }

void Jobs::adopt_tasks(Worker& worker) {
  for (const auto& task : worker.tasks) {
    if (task.job == 0) continue;
    const auto found = live_.find(task.job);
    if (found == live_.end()) continue;  // of a damaged store: left to finish
    found->second.worker = &worker;
    found->second.started = now_micros();
  }
}

void Jobs::kill_coroutine_workers_after(double seconds) {
  const std::chrono::duration<double> grace(std::max(seconds, unwinding_least_s));
  auto timer = std::make_shared<asio::steady_timer>(
      loop_, std::chrono::duration_cast<std::chrono::steady_clock::duration>(grace));
  timer->async_wait([this, timer](const std::error_code& error) {
    if (error) return;
    for (const auto& [key, worker] : workforce_->workers())
      if (worker->is_coroutine() && worker->is_busy()) workforce_->kill(*worker);
  });
}

}  // namespace tine
