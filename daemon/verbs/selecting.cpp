#include <algorithm>

#include "daemon/dispatch.hpp"
#include "daemon/job_rows.hpp"

namespace tine::verbs {
namespace {
/// One selection's greatest reach: more ids than a store keeps are a mistake, not a wish.
constexpr std::size_t selected_max = 2'000'000;
}  // namespace

Result<std::vector<std::pair<JobId, JobState>>> select_jobs(Call& call) {
  auto selection = ipc::selection_from(call.params);
  if (!selection) return selection.error();
  if (selection->ranges.empty() && !selection->last)
    return make_error(Errc::usage, "ids: which jobs? allowed: an id, a range 12-111, last");
  std::vector<std::pair<JobId, JobState>> found;
  auto status = ask_store(call.services.store, [&](JobTable& table) -> Status {
    found.clear();
    if (selection->last) {
      const JobId last = table.last_id();
      if (last == 0) return make_error(Errc::absent, "last: there is no job");
      selection->ranges.emplace_back(last, last);
    }
    for (const auto& [from, to] : selection->ranges) {
      auto ids = table.ids(from, to, selected_max);
      if (!ids) return ids.error();
      if (ids->empty())
        return make_error(Errc::absent, from == to ? "there is no job " + std::to_string(from)
                                                   : "there is no job from " + std::to_string(from) + " to " +
                                                         std::to_string(to));
      found.insert(found.end(), ids->begin(), ids->end());
    }
    return ok();
  });
  if (!status) return status.error();
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

Result<std::vector<ipc::JobRow>> read_rows(Services& services, const std::vector<JobId>& ids) {
  std::vector<ipc::JobRow> rows;
  auto status = ask_store(services.store, [&](JobTable& table) -> Status {
    for (const JobId id : ids) {
      auto row = table.row(id);
      if (!row) return row.error();
      if (*row) rows.push_back(std::move(**row));
    }
    return ok();
  });
  if (!status) return status.error();
  for (auto& row : rows) complete_row(row, &services.jobs, services.state_dir);
  return rows;
}

}  // namespace tine::verbs
