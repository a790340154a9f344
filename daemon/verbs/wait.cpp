#include <algorithm>
#include <unordered_set>

#include "daemon/dispatch.hpp"
#include "daemon/job_rows.hpp"
#include "ipc/protocol.hpp"

namespace tine::verbs {
namespace {

/// Records read from the store at a time: bounds what one answer holds in memory at once.
constexpr std::size_t rows_at_once = 256;

/// `jobs`: where they go, unless they are told at once.
Status add_records(Call& call, const WaitFor& wanted, const std::vector<JobId>& ids, JobsText* jobs) {
  for (std::size_t at = 0; at < ids.size(); at += rows_at_once) {
    const std::vector<JobId> part(
        ids.begin() + static_cast<std::ptrdiff_t>(at),
        ids.begin() + static_cast<std::ptrdiff_t>(std::min(ids.size(), at + rows_at_once)));
    auto rows = read_rows(call.services, part);
    if (!rows) return rows.error();
    for (const auto& row : *rows) {
      if (wanted.stream) {
        call.channel.hold(ipc::notification_of_text(ipc::job_finished, ipc::record_text(row)));
        if (auto status = call.channel.drain(); !status) return status;
      } else {
        jobs->add(wanted.records ? ipc::record_text(row) : ipc::end_text(row));
      }
    }
    call.channel.flush();  // what ended together in one write: each wakes the client
  }
  return ok();
}

}  // namespace

Answer wait_for(Call& call, WaitFor wanted) {
  Services& services = call.services;
  std::optional<std::chrono::steady_clock::time_point> deadline;
  if (wanted.timeout_s)
    deadline =
        std::chrono::steady_clock::now() + std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                                               std::chrono::duration<double>(*wanted.timeout_s));
  Waiters::Waiting waiting(services.waiters, services.loop);
  std::unordered_set<JobId> pending;
  std::vector<JobId> ended;
  for (const JobId id : wanted.ids) {
    if (services.jobs.find(id)) {
      pending.insert(id);
      waiting.add(id);
    } else {
      ended.push_back(id);
    }
  }
  const auto here = std::make_shared<Bell*>(&waiting.bell);
  call.channel.on_close([gone = std::weak_ptr(here)] {
    if (const auto bell = gone.lock()) (*bell)->ring();
  });
  if (wanted.progress)
    call.channel.send(ipc::notification(
        ipc::wait_began, ipc::OrderedJson{{"jobs", wanted.ids.size()}, {"ended", ended.size()}}));
  if (wanted.stream && !ended.empty())
    if (auto status = add_records(call, wanted, ended, nullptr); !status) return status.error();
  while (!pending.empty() && (!wanted.any || ended.empty())) {
    if (!call.channel.is_open()) return make_error(Errc::unavailable, "the client has gone");
    if (waiting.ended.empty() && !waiting.bell.wait(deadline) && waiting.ended.empty()) {
      if (deadline && std::chrono::steady_clock::now() >= *deadline)
        return ipc::OrderedJson{{"timed_out", true}};
      continue;
    }
    std::vector<JobId> now;
    for (; !waiting.ended.empty(); waiting.ended.pop_front())
      if (pending.erase(waiting.ended.front())) now.push_back(waiting.ended.front());
    ended.insert(ended.end(), now.begin(), now.end());
    if (wanted.stream && !now.empty())
      if (auto status = add_records(call, wanted, now, nullptr); !status) return status.error();
  }
  if (wanted.any && ended.size() > 1) ended.resize(1);
  JobsText jobs(call.result_text);
  if (!wanted.stream)
    if (auto status = add_records(call, wanted, wanted.any ? ended : wanted.ids, &jobs); !status)
      return status.error();
  jobs.end();
  return ipc::OrderedJson();
}

Answer wait(Call& call) {
  WaitFor wanted;
  for (const auto& [key, into] : {std::pair{"any", &wanted.any},
                                  {"records", &wanted.records},
                                  {"stream", &wanted.stream},
                                  {"progress", &wanted.progress}}) {
    auto value = ipc::bool_field(call.params, key, false);
    if (!value) return value.error();
    *into = *value;
  }
  auto all = ipc::bool_field(call.params, "all", false);
  if (!all) return all.error();
  if (const auto found = call.params.find("timeout_s"); found != call.params.end() && !found->is_null()) {
    auto timeout = ipc::duration_field(call.params, "timeout_s", 0);
    if (!timeout) return timeout.error();
    wanted.timeout_s = *timeout;
  }
  if (*all) {
    for (const auto& [id, job] : call.services.jobs.live()) wanted.ids.push_back(id);
    std::sort(wanted.ids.begin(), wanted.ids.end());
  } else {
    auto selected = select_jobs(call);
    if (!selected) return selected.error();
    for (const auto& [id, state] : *selected) wanted.ids.push_back(id);
  }
  return wait_for(call, std::move(wanted));
}

}  // namespace tine::verbs
