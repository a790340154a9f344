#include <spdlog/spdlog.h>

#include "daemon/dispatch.hpp"
#include "daemon/job_rows.hpp"
#include "ipc/protocol.hpp"

namespace tine::verbs {
namespace {

using Ids = Result<std::vector<JobId>>;

Ids store_jobs(Call& call, std::vector<JobSpec> specs, const std::string& environment) {
  return park_for<Ids>([&](std::function<void(Ids)> done) {
    call.services.jobs.submit(std::move(specs), environment, std::move(done));
  });
}

}  // namespace

Answer submit(Call& call) {
  auto context = ipc::submit_context_from(call.params);
  if (!context) return context.error();
  auto spec = ipc::spec_from(call.params, *context, "", {"environment", "cwd", "umask"});
  if (!spec) return spec.error();
  auto ids = store_jobs(call, {std::move(*spec)}, context->environment);
  if (!ids) return ids.error();
  return ipc::OrderedJson{{"id", ids->front()}};
}

Answer batch(Call& call) {
  auto context = ipc::submit_context_from(call.params);
  if (!context) return context.error();
  const auto jobs = call.params.find("jobs");
  if (jobs == call.params.end() || !jobs->is_array() || jobs->empty())
    return make_error(Errc::usage, "jobs: must be a non-empty array of jobs");
  std::vector<JobSpec> specs;
  specs.reserve(jobs->size());
  for (std::size_t i = 0; i < jobs->size(); ++i) {
    auto spec = ipc::spec_from((*jobs)[i], *context, "line " + std::to_string(i + 1) + ": ");
    if (!spec) return spec.error();
    specs.push_back(std::move(*spec));
  }
  auto ids = store_jobs(call, std::move(specs), context->environment);
  if (!ids) return ids.error();
  return ipc::OrderedJson{{"ids", *ids}};
}

Answer run(Call& call) {
  auto context = ipc::submit_context_from(call.params);
  if (!context) return context.error();
  auto spec = ipc::spec_from(call.params, *context, "", {"environment", "cwd", "umask", "descriptors"});
  if (!spec) return spec.error();
  const std::size_t sent = call.descriptors.size();
  const auto named = call.params.find("descriptors");
  const bool given_away = sent == 4;
  if (sent != 0 && sent != 2 && sent != 4)
    return make_error(Errc::usage,
                      "descriptors: " + std::to_string(sent) +
                          " came; allowed: none, stdin and alive, or stdin, stdout, stderr and alive");
  if ((named == call.params.end() ? 0 : named->size()) != sent)
    return make_error(Errc::usage, "descriptors: names and descriptors differ in number");
  spec->foreground = given_away;

  Services& services = call.services;
  const Ids ids = park_for<Ids>([&](std::function<void(Ids)> done) {
    services.jobs.submit({std::move(*spec)}, context->environment, [&, done](Ids stored) {
      // Before anything else runs on this thread: the order must not go out without the caller's descriptors.
      if (stored && sent) services.jobs.attach(stored->front(), std::move(call.descriptors));
      done(std::move(stored));
    });
  });
  if (!ids) return ids.error();
  const JobId id = ids->front();
  call.channel.send(ipc::notification(ipc::job_submitted, {{"id", id}}));
  Waiters::Waiting waiting(services.waiters, services.loop);
  waiting.add(id);
  // The caller's death ends the job; one that runs hears it from the pipe, whether a daemon lives or not.
  if (sent)
    call.channel.on_close([&services, id] {
      const LiveJob* job = services.jobs.find(id);
      const bool over_pipe = job && job->phase == LiveJob::Phase::running;
      if (job && !over_pipe) services.jobs.cancel(id, {}, [](Status) {});
    });
  bool told = false;
  const auto tell_start = [&] {
    if (std::exchange(told, true)) return;
    call.channel.send(ipc::notification(ipc::job_started, {{"id", id}}));
  };
  if (const LiveJob* job = services.jobs.find(id); job && job->phase == LiveJob::Phase::running) tell_start();
  while (waiting.ended.empty() && services.jobs.find(id)) {
    waiting.bell.wait();
    if (!waiting.started.empty()) tell_start();
  }
  auto rows = read_rows(services, {id});
  if (!rows) return rows.error();
  if (rows->empty()) return make_error(Errc::absent, "job " + std::to_string(id) + " is forgotten");
  return ipc::record_from(rows->front());
}

}  // namespace tine::verbs
