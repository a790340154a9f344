#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "core/base/clock.hpp"
#include "core/base/file.hpp"
#include "core/base/text.hpp"
#include "daemon/dispatch.hpp"
#include "daemon/job_rows.hpp"

namespace tine::verbs {
namespace {

constexpr std::size_t shown_max = 10'000;
constexpr std::size_t page_max = 1000;
constexpr std::size_t listed_max = 1'000'000;
constexpr std::size_t chunk_bytes = 1u << 20;

struct Chunk {
  std::string bytes;
  bool at_end = true;
};

Chunk read_chunk(const OutputPlace& place, std::uint64_t offset) {
  if (place.path.empty()) {
    if (offset >= place.inline_bytes.size()) return {};
    return {place.inline_bytes.substr(offset, chunk_bytes),
            offset + chunk_bytes >= place.inline_bytes.size()};
  }
  const UniqueFd fd(::open(place.path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return {};
  Chunk chunk;
  chunk.bytes.resize(chunk_bytes);
  const ssize_t got = ::pread(fd.get(), chunk.bytes.data(), chunk.bytes.size(), static_cast<off_t>(offset));
  chunk.bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  chunk.at_end = chunk.bytes.size() < chunk_bytes;
  return chunk;
}

Result<JobTable::Filter> filter_from(const ipc::Json& params) {
  JobTable::Filter filter;
  auto state = ipc::string_field(params, "state", "");
  if (!state) return state.error();
  if (!state->empty()) {
    filter.state = job_state_from(*state);
    if (!filter.state)
      return make_error(
          Errc::usage,
          "state: there is no \"" + *state +
              "\"; allowed: waiting held queued running succeeded failed timed_out cancelled lost");
  }
  auto name = ipc::string_field(params, "name", "");
  auto pool = ipc::string_field(params, "pool", "");
  auto since = ipc::string_field(params, "since", "");
  if (!name) return name.error();
  if (!pool) return pool.error();
  if (!since) return since.error();
  filter.name_glob = *name;
  if (!pool->empty()) filter.pool = *pool;
  if (!since->empty()) {
    auto time = parse_rfc3339(*since);
    if (!time) return make_error(Errc::usage, "since: " + time.error().message());
    filter.since = *time;
  }
  if (const auto labels = params.find("label"); labels != params.end() && labels->is_object())
    for (const auto& [key, value] : labels->items())
      if (value.is_string()) filter.labels[key] = value.get<std::string>();
  return filter;
}

/// Unfinished jobs by their live state: the store calls a job running as soon as its intent is stored.
bool live_state_matches(const Jobs& jobs, const ipc::JobRow& row, std::optional<JobState> wanted) {
  if (!wanted) return true;
  const LiveJob* job = jobs.find(row.id);
  if (!job) return row.state == *wanted;
  return jobs.state_of(*job) == *wanted;
}

}  // namespace

Answer show(Call& call) {
  auto selected = select_jobs(call);
  if (!selected) return selected.error();
  if (selected->size() > shown_max)
    return make_error(Errc::usage, "ids: " + std::to_string(selected->size()) +
                                       " jobs; allowed: " + std::to_string(shown_max));
  std::vector<JobId> ids;
  for (const auto& [id, state] : *selected) ids.push_back(id);
  auto rows = read_rows(call.services, ids);
  if (!rows) return rows.error();
  JobsText jobs(call.result_text);
  for (const auto& row : *rows) jobs.add(ipc::record_text(row));
  jobs.end();
  return ipc::OrderedJson();
}

Answer list(Call& call) {
  auto filter = filter_from(call.params);
  if (!filter) return filter.error();
  const bool onwards = call.params.contains("after_id");
  auto limit = ipc::unsigned_field(call.params, "limit", page_max, listed_max);
  auto after = ipc::unsigned_field(call.params, "after_id", 0, INT64_MAX);
  if (!limit) return limit.error();
  if (!after) return after.error();
  const auto order = onwards ? JobTable::Order::oldest_first : JobTable::Order::newest_first;
  JobId from = onwards ? *after : INT64_MAX;
  const std::optional<JobState> wanted = filter->state;
  if (wanted && !has_ended(*wanted)) filter->state.reset();
  std::vector<ipc::JobRow> rows;
  bool more = true;
  // Page by page, so that others' commits come in between.
  while (more && rows.size() < *limit) {
    std::vector<ipc::JobRow> page;
    auto status = ask_store(call.services.store, [&](JobTable& table) -> Status {
      auto found = table.page(*filter, order, from, *limit - rows.size());
      if (!found) return found.error();
      page = std::move(*found);
      return ok();
    });
    if (!status) return status.error();
    more = from != 0;
    for (auto& row : page)
      if (live_state_matches(call.services.jobs, row, wanted)) rows.push_back(std::move(row));
  }
  if (!onwards) std::reverse(rows.begin(), rows.end());
  JobsText jobs(call.result_text);
  for (auto& row : rows) {
    complete_row(row, &call.services.jobs, call.services.state_dir);
    jobs.add(ipc::short_record_text(row));
  }
  jobs.end(more ? R"(,"more":true)" : R"(,"more":false)");
  return ipc::OrderedJson();
}

Answer logs(Call& call) {
  auto id = ipc::unsigned_field(call.params, "id", 0, INT64_MAX);
  auto out_offset = ipc::unsigned_field(call.params, "stdout_offset", 0, INT64_MAX);
  auto err_offset = ipc::unsigned_field(call.params, "stderr_offset", 0, INT64_MAX);
  if (!id) return id.error();
  if (!out_offset) return out_offset.error();
  if (!err_offset) return err_offset.error();
  auto rows = read_rows(call.services, {*id});
  if (!rows) return rows.error();
  if (rows->empty()) return make_error(Errc::absent, "there is no job " + std::to_string(*id));
  const ipc::JobRow& row = rows->front();
  if (row.spec.foreground == Foreground::given_away)
    return make_error(Errc::absent,
                      "job " + std::to_string(*id) + " was a run: its output went to its caller");
  const LiveJob* live = call.services.jobs.find(*id);
  const std::string key = live && live->worker ? live->worker->seat.key : "";
  const Chunk out = read_chunk(output_of(row, Stream::out, call.services.state_dir, key), *out_offset);
  const Chunk err = read_chunk(output_of(row, Stream::err, call.services.state_dir, key), *err_offset);
  return ipc::OrderedJson{{"stdout_base64", base64_encode(out.bytes)},
                          {"stderr_base64", base64_encode(err.bytes)},
                          {"stdout_end", out.at_end},
                          {"stderr_end", err.at_end},
                          {"ended", has_ended(row.state)}};
}

}  // namespace tine::verbs
