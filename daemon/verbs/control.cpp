#include "core/base/clock.hpp"
#include "daemon/dispatch.hpp"

namespace tine::verbs {
namespace {

using Done = std::function<void(Status)>;

/// Does it to each selected job, as far as it can; then tells the first that refused.
Answer to_each(Call& call, const char* key, const std::function<void(JobId, Done)>& act) {
  auto selected = select_jobs(call);
  if (!selected) return selected.error();
  ipc::OrderedJson ids = ipc::OrderedJson::array();
  Status first_refused = ok();
  for (const auto& [id, state] : *selected) {
    const Status status = park_for<Status>([&, one = id](Done done) { act(one, std::move(done)); });
    if (status)
      ids.push_back(id);
    else if (first_refused)
      first_refused = status;
  }
  if (!first_refused) return first_refused.error();
  return ipc::OrderedJson{{key, std::move(ids)}};
}

}  // namespace

Answer hold(Call& call) {
  return to_each(call, "held",
                 [&](JobId id, Done done) { call.services.jobs.hold(id, true, std::move(done)); });
}

Answer release(Call& call) {
  return to_each(call, "released",
                 [&](JobId id, Done done) { call.services.jobs.hold(id, false, std::move(done)); });
}

Answer pause(Call& call) {
  return to_each(call, "paused",
                 [&](JobId id, Done done) { call.services.jobs.pause(id, true, std::move(done)); });
}

Answer resume(Call& call) {
  return to_each(call, "resumed",
                 [&](JobId id, Done done) { call.services.jobs.pause(id, false, std::move(done)); });
}

Answer retry(Call& call) {
  using Ids = Result<std::vector<JobId>>;
  auto selected = select_jobs(call);
  if (!selected) return selected.error();
  for (const auto& [id, state] : *selected)
    if (!has_ended(state))
      return make_error(Errc::absent, "job " + std::to_string(id) + " has not ended; nothing is tried again");
  ipc::OrderedJson ids = ipc::OrderedJson::array();
  for (const auto& [id, state] : *selected) {
    const Ids made = park_for<Ids>(
        [&, one = id](std::function<void(Ids)> done) { call.services.jobs.retry(one, std::move(done)); });
    if (!made) return made.error();
    ids.push_back(made->front());
  }
  return ipc::OrderedJson{{"ids", std::move(ids)}};
}

Answer why(Call& call) {
  auto selected = select_jobs(call);
  if (!selected) return selected.error();
  ipc::OrderedJson lines = ipc::OrderedJson::array();
  for (const auto& [id, state] : *selected) {
    std::string text = call.services.jobs.why(id);
    if (!call.services.jobs.find(id) && has_ended(state)) text = "has ended: " + std::string(name_of(state));
    lines.push_back({{"id", id}, {"why", std::move(text)}});
  }
  return ipc::OrderedJson{{"jobs", std::move(lines)}};
}

Answer clean(Call& call) {
  auto older = ipc::duration_field(call.params, "older", 0);
  if (!older) return older.error();
  auto state_name = ipc::string_field(call.params, "state", "");
  if (!state_name) return state_name.error();
  const auto state = job_state_from(*state_name);
  if (!state_name->empty() && (!state || !has_ended(*state)))
    return make_error(Errc::usage, "state: there is no end \"" + *state_name +
                                       "\"; allowed: succeeded failed timed_out cancelled lost");
  const Micros before = now_micros() - static_cast<Micros>(*older * 1e6);
  using Count = Result<std::uint64_t>;
  const Count count = park_for<Count>(
      [&](std::function<void(Count)> done) { call.services.jobs.clean(before, state, std::move(done)); });
  if (!count) return count.error();
  return ipc::OrderedJson{{"cleaned", *count}};
}

}  // namespace tine::verbs
