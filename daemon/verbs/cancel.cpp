#include "daemon/dispatch.hpp"

namespace tine::verbs {
namespace {

bool has_begun(const LiveJob& job) {
  return job.phase == LiveJob::Phase::running || job.phase == LiveJob::Phase::ending;
}

}  // namespace

Answer cancel(Call& call) {
  auto selected = select_jobs(call);
  if (!selected) return selected.error();
  std::optional<double> kill_after;
  if (const auto found = call.params.find("kill_after"); found != call.params.end()) {
    auto value = ipc::duration_field(call.params, "kill_after", 0);
    if (!value) return value.error();
    kill_after = *value;
  }
  auto spare_running = ipc::bool_field(call.params, "spare_running", false);
  if (!spare_running) return spare_running.error();
  ipc::OrderedJson cancelled = ipc::OrderedJson::array();
  // Who waits goes first: the end of a running one would start it.
  for (const bool begun : {false, true}) {
    if (begun && *spare_running) break;
    for (const auto& [id, state] : *selected) {
      call.services.jobs.settle(id);
      const LiveJob* job = call.services.jobs.find(id);
      if (!job || has_begun(*job) != begun) continue;
      const Status status = park_for<Status>([&, one = id](std::function<void(Status)> done) {
        call.services.jobs.cancel(one, kill_after, std::move(done));
      });
      if (!status) return status.error();
      cancelled.push_back(id);
    }
  }
  return ipc::OrderedJson{{"cancelled", std::move(cancelled)}};
}

Answer kill(Call& call) {
  auto signal = ipc::unsigned_field(call.params, "signal", 15, 64);
  if (!signal) return signal.error();
  auto selected = select_jobs(call);
  if (!selected) return selected.error();
  for (const auto& [id, state] : *selected)
    if (auto status = call.services.jobs.signal(id, static_cast<int>(*signal)); !status)
      return status.error();
  return ipc::OrderedJson{{"signalled", selected->size()}};
}

}  // namespace tine::verbs
