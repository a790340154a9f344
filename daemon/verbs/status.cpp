#include <unistd.h>

#include "core/base/clock.hpp"
#include "core/base/file.hpp"
#include "daemon/dispatch.hpp"

namespace tine::verbs {
namespace {

/// Proportional set size: RSS would count what the workers share once for each of them.
ipc::OrderedJson pss_bytes(std::int32_t pid) {
  auto text = read_file("/proc/" + std::to_string(pid) + "/smaps_rollup");
  if (!text) return nullptr;
  const auto at = text->find("\nPss:");
  if (at == std::string::npos) return nullptr;
  return std::strtoull(text->c_str() + at + 5, nullptr, 10) * 1024;
}

/// Tasks of a coroutine worker, and the call that holds them all up, if one does.
ipc::OrderedJson tasks_of(const Worker& worker) {
  const Pulse& pulse = worker.spool->pulse();
  const std::uint32_t running = pulse.ready, all = pulse.tasks;
  ipc::OrderedJson hog = nullptr;
  if (const WorkerTask* task = worker.hog())
    hog = {{"function", task->function},
           {"job", task->job ? ipc::OrderedJson(task->job) : ipc::OrderedJson(nullptr)}};
  return {{"tasks_running", running}, {"tasks_waiting", all > running ? all - running : 0}, {"hog", hog}};
}

ipc::OrderedJson workers_of(const Pool& pool) {
  ipc::OrderedJson workers = ipc::OrderedJson::array();
  for (const Worker* worker : pool.seats) {
    if (!worker || !worker->spool) continue;
    ipc::OrderedJson one = {{"slot", worker->seat.slot},
                            {"pid", worker->pid},
                            {"state", worker->is_busy()    ? "busy"
                                      : worker->is_leaving ? "leaving"
                                                           : "idle"},
                            {"job", worker->job ? ipc::OrderedJson(worker->job) : ipc::OrderedJson(nullptr)},
                            {"jobs_done", worker->jobs_done},
                            {"pss_bytes", pss_bytes(worker->pid)}};
    if (worker->is_coroutine()) one.update(tasks_of(*worker));
    workers.push_back(std::move(one));
  }
  return workers;
}

}  // namespace

Answer ping(Call& call) {
  return ipc::OrderedJson{{"pong", true}, {"pid", ::getpid()}, {"version", call.services.version}};
}

Answer status(Call& call) {
  const Services& services = call.services;
  ipc::OrderedJson answer;
  answer["schema"] = 1;
  answer["daemon"] = {{"pid", ::getpid()},
                      {"version", services.version},
                      {"uptime_s", static_cast<double>(now_micros() - services.started) / 1e6},
                      {"socket", services.socket_path},
                      {"state_dir", services.state_dir},
                      {"supervised", services.is_supervised},
                      {"max_memory_by", services.memory_groups ? "cgroup" : "rlimit"},
                      {"max_memory_why", services.memory_groups ? *services.memory_groups
                                                                : services.memory_groups.error().message()}};
  std::map<JobState, std::uint64_t> counts = services.jobs.counts();
  ipc::OrderedJson pools = ipc::OrderedJson::array();
  for (const auto& [name, pool] : services.jobs.pools()) {
    pools.push_back({{"name", name},
                     {"kind", pool->concurrency > 0 ? "coroutine" : "process"},
                     {"size", pool->size},
                     {"busy", pool->slots_used},
                     {"queued", pool->queued},
                     {"state", pool->state()},
                     {"workers", workers_of(*pool)}});
    if (pool->concurrency > 0) pools.back()["concurrency"] = pool->concurrency;
  }
  answer["pools"] = std::move(pools);
  ipc::OrderedJson jobs = ipc::OrderedJson::object();
  for (const JobState state :
       {JobState::waiting, JobState::held, JobState::queued, JobState::running, JobState::succeeded,
        JobState::failed, JobState::timed_out, JobState::cancelled, JobState::lost})
    jobs[std::string(name_of(state))] = counts[state];
  answer["jobs"] = std::move(jobs);
  return answer;
}

Answer shutdown(Call& call) {
  auto mode_name = ipc::string_field(call.params, "mode", "drain");
  if (!mode_name) return mode_name.error();
  StopMode mode = StopMode::drain;
  if (*mode_name == "now")
    mode = StopMode::now;
  else if (*mode_name == "leave_jobs")
    mode = StopMode::leave_jobs;
  else if (*mode_name != "drain")
    return make_error(Errc::usage, "mode: must be drain, now or leave_jobs");
  std::optional<double> timeout;
  if (const auto found = call.params.find("timeout_s"); found != call.params.end() && !found->is_null()) {
    auto value = ipc::duration_field(call.params, "timeout_s", 0);
    if (!value) return value.error();
    timeout = *value;
  }
  park_for<int>(
      [&](std::function<void(int)> done) { call.services.stop(mode, timeout, [done] { done(0); }); });
  return ipc::OrderedJson{{"stopped", true}};
}

}  // namespace tine::verbs
