#include <sys/resource.h>
#include <unistd.h>

#include "core/base/clock.hpp"
#include "core/base/file.hpp"
#include "daemon/dispatch.hpp"

namespace tine::verbs {
namespace {

using Json = ipc::OrderedJson;

/// {"name", "type", "help", "samples": [{"labels": {}, "value": N}]}: the client writes it in the format that
/// was asked for.
class Family {
 public:
  Family(const char* name, const char* type, const char* help)
      : json_{{"name", name}, {"type", type}, {"help", help}, {"samples", Json::array()}} {}
  Family& add(Json value, Json labels = Json::object()) {
    json_["samples"].push_back({{"labels", std::move(labels)}, {"value", std::move(value)}});
    return *this;
  }
  Json take() { return std::move(json_); }

 private:
  Json json_;
};

constexpr JobState unfinished[] = {JobState::waiting, JobState::held, JobState::queued, JobState::running};
constexpr JobState ends[] = {JobState::succeeded, JobState::failed, JobState::timed_out, JobState::cancelled,
                             JobState::lost};

std::uint64_t resident_bytes() {
  const auto text = read_file("/proc/self/statm");
  const auto second = text ? text->find(' ') : std::string::npos;
  if (second == std::string::npos) return 0;
  return std::strtoull(text->c_str() + second, nullptr, 10) *
         static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

double cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
         static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

void add_jobs(const Services& services, Json& families) {
  auto counts = services.jobs.counts();
  Family jobs("tine_jobs", "gauge", "Jobs that the store keeps, by state.");
  for (const auto state : unfinished) jobs.add(counts[state], {{"state", name_of(state)}});
  for (const auto state : ends) jobs.add(counts[state], {{"state", name_of(state)}});
  families.push_back(jobs.take());
  families.push_back(Family("tine_jobs_submitted_total", "counter", "Jobs accepted since the daemon's start.")
                         .add(services.jobs.submitted())
                         .take());
  Family finished("tine_jobs_finished_total", "counter", "Jobs that ended since the daemon's start, by end.");
  auto since_start = services.jobs.finished();
  for (const auto state : ends) finished.add(since_start[state], {{"state", name_of(state)}});
  families.push_back(finished.take());
}

void add_pools(const Services& services, Json& families) {
  Family size("tine_pool_size", "gauge", "Workers that the pool may have.");
  Family busy("tine_pool_busy", "gauge", "Jobs that run in the pool.");
  Family queued("tine_pool_queued", "gauge", "Jobs that wait for a worker of the pool.");
  Family open("tine_pool_open", "gauge", "1 where the pool takes new jobs, 0 where it is closed.");
  for (const auto& [name, pool] : services.jobs.pools()) {
    const Json labels{{"pool", name}};
    size.add(pool->size, labels);
    busy.add(pool->running, labels);
    queued.add(pool->in_line(), labels);
    open.add(pool->is_open ? 1 : 0, labels);
  }
  for (auto* family : {&size, &busy, &queued, &open}) families.push_back(family->take());
}

}  // namespace

Answer metrics(Call& call) {
  const Services& services = call.services;
  const auto started_s = static_cast<double>(services.started) / 1e6;
  Json families = Json::array();
  families.push_back(Family("tine_build_info", "gauge", "1, with the daemon's version.")
                         .add(1, {{"version", services.version}})
                         .take());
  families.push_back(Family("tine_uptime_seconds", "gauge", "Since the daemon's start.")
                         .add(static_cast<double>(now_micros() - services.started) / 1e6)
                         .take());
  add_jobs(services, families);
  add_pools(services, families);
  families.push_back(
      Family("tine_workers", "gauge", "Workers that live.").add(services.workforce.workers().size()).take());
  families.push_back(
      Family("tine_workers_started_total", "counter", "Workers forked since the daemon's start.")
          .add(services.workforce.hired())
          .take());
  families.push_back(Family("tine_workers_died_total", "counter",
                            "Workers that ended and had not been dismissed, since the daemon's start.")
                         .add(services.workforce.died())
                         .take());
  families.push_back(
      Family("tine_store_commits_total", "counter", "Groups of changes on disk since the daemon's start.")
          .add(services.store.commits())
          .take());
  families.push_back(
      Family("process_start_time_seconds", "gauge", "The daemon's start, since 1970.").add(started_s).take());
  families.push_back(
      Family("process_resident_memory_bytes", "gauge", "Of the daemon itself.").add(resident_bytes()).take());
  families.push_back(
      Family("process_cpu_seconds_total", "counter", "Of the daemon itself.").add(cpu_seconds()).take());
  return Json{{"metrics", std::move(families)}};
}

}  // namespace tine::verbs
