#include <spdlog/spdlog.h>

#include <asio/post.hpp>

#include "daemon/dispatch.hpp"
#include "daemon/job_rows.hpp"
#include "ipc/protocol.hpp"

namespace tine::verbs {
namespace {

using Ids = Result<std::vector<JobId>>;

Ids store_jobs(Call& call, std::vector<ipc::Submission> submissions, const std::string& environment) {
  return park_for<Ids>([&](std::function<void(Ids)> done) {
    call.services.jobs.submit(std::move(submissions), environment, std::move(done));
  });
}

/// A new foreground job.
Result<JobId> begin(Call& call) {
  auto context = ipc::submit_context_from(call.params);
  if (!context) return context.error();
  auto spec = ipc::spec_from(call.params, *context, "", {"environment", "cwd", "umask", "descriptors"});
  if (!spec) return spec.error();
  if (!spec->unique_key.empty() && spec->on_duplicate == OnDuplicate::skip)
    spec->on_duplicate = OnDuplicate::error;  // the foreground cannot be another one's
  if (!spec->idempotency_key.empty())
    return make_error(Errc::usage, "idempotency_key: run is asked for once; allowed: with submit and batch");
  const bool has_caller = !call.descriptors.empty();
  if (has_caller)
    spec->foreground = call.descriptors.size() == 4 ? Foreground::given_away : Foreground::captured;
  Jobs& jobs = call.services.jobs;
  const Ids ids = park_for<Ids>([&](std::function<void(Ids)> done) {
    ipc::Submission alone;
    alone.spec = std::move(*spec);
    jobs.submit({std::move(alone)}, context->environment, [&, done](Ids stored) {
      // At once: the order must not go out without the caller's descriptors, nor others see a job whose
      // caller does not know it and could not come back to it.
      if (stored && has_caller) jobs.attach(stored->front(), std::move(call.descriptors));
      if (stored) call.channel.send(ipc::notification(ipc::job_submitted, {{"id", stored->front()}}));
      asio::post(call.services.loop,
                 [done, stored] { done(stored); });  // when the job is there to be followed
    });
  });
  if (!ids) return ids.error();
  return ids->front();
}

/// One that an earlier daemon took in: its caller is back.
Result<JobId> take_up(Call& call) {
  auto id = ipc::unsigned_field(call.params, "resume", 0, INT64_MAX);
  if (!id) return id.error();
  auto rows = read_rows(call.services, {*id});
  if (!rows) return rows.error();
  if (rows->empty()) return make_error(Errc::absent, "there is no job " + std::to_string(*id));
  call.services.jobs.caller_is_back(*id, std::move(call.descriptors));
  return *id;
}

Answer follow(Call& call, JobId id, bool has_caller) {
  Services& services = call.services;
  Waiters::Waiting waiting(services.waiters, services.loop);
  waiting.add(id);
  // The caller's death ends the job; one that runs hears it from the pipe, whether a daemon lives or not.
  if (has_caller)
    call.channel.on_close([&services, id] {
      if (services.is_ending) return;  // the caller waits for the next daemon
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
  call.result_text = ipc::record_text(rows->front());
  return ipc::OrderedJson();
}

}  // namespace

Answer submit(Call& call) {
  auto context = ipc::submit_context_from(call.params);
  if (!context) return context.error();
  auto submission = ipc::submission_from(call.params, *context, "", {"environment", "cwd", "umask"});
  if (!submission) return submission.error();
  if (!submission->after_names.empty())
    return make_error(Errc::usage,
                      "after: \"" + submission->after_names[0] + "\" is no id; a name is allowed in a batch");
  const bool is_array = submission->array.has_value();
  auto ids = store_jobs(call, {std::move(*submission)}, context->environment);
  if (!ids) return ids.error();
  ipc::OrderedJson answer{{"id", ids->front()}};
  if (is_array) answer["last_id"] = ids->back();
  return answer;
}

Answer batch(Call& call) {
  auto context = ipc::submit_context_from(call.params);
  if (!context) return context.error();
  const auto jobs = call.params.find("jobs");
  if (jobs == call.params.end() || !jobs->is_array() || jobs->empty())
    return make_error(Errc::usage, "jobs: must be a non-empty array of jobs");
  std::vector<ipc::Submission> submissions;
  submissions.reserve(jobs->size());
  for (std::size_t i = 0; i < jobs->size(); ++i) {
    auto submission = ipc::submission_from((*jobs)[i], *context, "line " + std::to_string(i + 1) + ": ");
    if (!submission) return submission.error();
    submissions.push_back(std::move(*submission));
  }
  auto ids = store_jobs(call, std::move(submissions), context->environment);
  if (!ids) return ids.error();
  return ipc::OrderedJson{{"ids", *ids}};
}

Answer run(Call& call) {
  const std::size_t sent = call.descriptors.size();
  if (sent != 0 && sent != 2 && sent != 4)
    return make_error(Errc::usage,
                      "descriptors: " + std::to_string(sent) +
                          " came; allowed: none, stdin and alive, or stdin, stdout, stderr and alive");
  const auto named = call.params.find("descriptors");
  if ((named == call.params.end() ? 0 : named->size()) != sent)
    return make_error(Errc::usage, "descriptors: names and descriptors differ in number");
  const auto id = call.params.contains("resume") ? take_up(call) : begin(call);
  if (!id) return id.error();
  return follow(call, *id, sent > 0);
}

}  // namespace tine::verbs
