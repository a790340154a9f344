#include "daemon/dispatch.hpp"

namespace tine::verbs {

Answer cancel(Call& call) {
  auto selected = select_jobs(call);
  if (!selected) return selected.error();
  std::optional<double> kill_after;
  if (const auto found = call.params.find("kill_after"); found != call.params.end()) {
    auto value = ipc::duration_field(call.params, "kill_after", 0);
    if (!value) return value.error();
    kill_after = *value;
  }
  ipc::OrderedJson cancelled = ipc::OrderedJson::array();
  for (const auto& [id, state] : *selected) {
    if (!call.services.jobs.find(id)) continue;
    const Status status = park_for<Status>([&, one = id](std::function<void(Status)> done) {
      call.services.jobs.cancel(one, kill_after, std::move(done));
    });
    if (!status) return status.error();
    cancelled.push_back(id);
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
