#include <spdlog/spdlog.h>

#include <algorithm>

#include "core/base/bytes.hpp"
#include "core/coroutine/scheduler.hpp"
#include "daemon/workforce.hpp"

/// Coroutine workers: who sits at which place, and who holds the others up.
namespace tine {
namespace {

using namespace std::chrono_literals;

/// A call that runs so long without giving way is told of: the others' waits are that late.
constexpr Instant hog_ns = 100'000'000;
constexpr auto pulse_check_interval = 25ms;

const WorkerTask* task_of(const Worker& worker, std::uint64_t turn) {
  const std::uint32_t label = Pulse::label_of(turn);
  return label > 0 && label <= worker.tasks.size() ? &worker.tasks[label - 1] : nullptr;
}

}  // namespace

std::string name_of(const WorkerTask& task) {
  const std::string job = task.job == 0 ? "" : "job " + std::to_string(task.job);
  if (task.function.empty()) return job;
  return "function " + task.function + (job.empty() ? "" : " (" + job + ")");
}

const WorkerTask* Worker::hog() const {
  const WorkerTask* const task = turn_is_told ? task_of(*this, turn) : nullptr;
  return task && !task->is_free() ? task : nullptr;
}

void Worker::make_places() {
  tasks.resize(seat.tasks);
  for (std::uint32_t place = seat.tasks; place > 0; --place) free_places.push_back(place - 1);
}

bool Worker::runs(JobId wanted) const {
  return job == wanted ||
         std::any_of(tasks.begin(), tasks.end(), [&](const WorkerTask& task) { return task.job == wanted; });
}

std::uint32_t Workforce::take_place(Worker& worker, WorkerTask task) {
  const auto place = worker.free_places.back();
  worker.free_places.pop_back();
  worker.tasks[place] = std::move(task);
  if (!std::exchange(pulses_are_watched_, true)) watch_pulses();
  return place;
}

void Workforce::free_place(Worker& worker, std::uint32_t place) {
  worker.tasks[place] = {};
  worker.free_places.push_back(place);
}

void Workforce::free_place_of(Worker& worker, JobId job) {
  for (std::uint32_t place = 0; place < worker.tasks.size(); ++place)
    if (worker.tasks[place].job == job) return free_place(worker, place);
}

std::uint32_t Workforce::call(Worker& worker, TaskCall call) {
  call.place = take_place(worker, {0, 0, call.session, call.index, call.function});
  worker.link->send(FrameType::call, encode(call));
  return call.place;
}

void Workforce::end_call(Worker& worker, std::uint32_t place, std::uint64_t session) {
  ByteWriter out;
  out.number<std::uint32_t>(place);
  out.number<std::uint64_t>(session);
  if (worker.link) worker.link->send(FrameType::end_call, out.bytes());
}

void Workforce::cancel_task(Worker& worker, JobId job) {
  ByteWriter out;
  out.number<JobId>(job);
  tell(worker, FrameType::cancel, job, out.take());
}

void Workforce::task_answered(Worker& worker, std::string_view payload) {
  TaskAnswer answer;
  if (!decode(payload, answer) || answer.place >= worker.tasks.size()) return;
  const WorkerTask task = worker.tasks[answer.place];
  if (task.session != answer.session || task.index != answer.index) return;
  free_place(worker, answer.place);
  ++worker.jobs_done;
  listener_.task_answered(task,
                          {answer.is_error ? AnswerKind::error : AnswerKind::value, std::move(answer.bytes)});
  listener_.worker_is_free(worker);
}

void Workforce::settle_living_tasks(Worker& worker) {
  worker.spool->recall_all();
  std::erase_if(worker.free_places, [&](std::uint32_t place) {
    const auto offer = worker.spool->offer(place);
    if (offer.state != Spool::OfferState::begun) return false;
    worker.tasks[place] = {offer.job, offer.attempt, 0, 0, ""};
    return true;
  });
  // After the look at the offers: what it had begun and is no longer at has left its record by now.
  (void)deliver_records(worker, {});
  watch_death(worker);
}

void Workforce::settle_dead_tasks(Worker& worker) {
  std::vector<Spool::Offer> begun, returned;
  worker.spool->recall_all();
  for (std::uint32_t place = 0; place < worker.tasks.size(); ++place) {
    const auto offer = worker.spool->offer(place);
    if (offer.state == Spool::OfferState::begun) begun.push_back(offer);
    // A word that was recalled long ago may still stand there.
    else if (worker.tasks[place].job != 0 && worker.tasks[place].job == offer.job)
      returned.push_back(offer);
  }
  // A record is complete before its word is cleared: some of these have left one.
  for (const auto& record : worker.spool->unstored())
    if (const auto outcome = decode_outcome(record.outcome_bytes))
      std::erase_if(begun, [&](const Spool::Offer& offer) {
        return offer.job == outcome->job && offer.attempt == outcome->attempt;
      });
  (void)deliver_records(worker, {});
  for (const auto& offer : begun) listener_.task_died(worker, offer, ++worker.seq_seen);
  for (const auto& offer : returned) listener_.task_returned(offer.job);
  const std::string why = "the worker (pid " + std::to_string(worker.pid) + ") died while it ran this call";
  for (auto& task : worker.tasks) {
    if (task.session == 0) continue;
    listener_.task_answered(std::exchange(task, {}), {AnswerKind::died, why});
  }
}

void Workforce::watch_pulses() {
  pulse_check_.expires_after(pulse_check_interval);
  pulse_check_.async_wait([this](const std::error_code& error) {
    if (error || stopping_) return;
    pulses_are_watched_ = false;
    for (auto& [key, worker] : workers_)
      if (worker->is_coroutine() && worker->spool) pulses_are_watched_ |= look_at_pulse(*worker);
    if (pulses_are_watched_) watch_pulses();
  });
}

/// Whether it is worth another look.
bool Workforce::look_at_pulse(Worker& worker) {
  const auto turn = worker.spool->pulse().turn.load(std::memory_order_relaxed);
  const Instant time = now();
  if (turn != worker.turn || turn == 0) {
    worker.turn = turn;
    worker.turn_since = time;
    worker.turn_is_told = false;
  } else if (!worker.turn_is_told && time - worker.turn_since >= hog_ns) {
    worker.turn_is_told = true;
    if (const WorkerTask* task = worker.hog())
      spdlog::warn("pool {}: {} holds worker {} (pid {}) for over 100 ms without giving way",
                   worker.seat.pool, name_of(*task), worker.seat.slot, worker.pid);
  }
  return worker.is_busy();
}

}  // namespace tine
