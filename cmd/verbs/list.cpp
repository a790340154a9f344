#include <algorithm>
#include <cctype>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cmd/autostart.hpp"
#include "cmd/job_record.hpp"
#include "cmd/print_json.hpp"
#include "cmd/print_table.hpp"
#include "cmd/verbs/verbs.hpp"
#include "core/base/clock.hpp"
#include "core/base/quantity.hpp"
#include "core/base/text.hpp"
#include "core/base/wall_time.hpp"

namespace tine::cmd {
namespace {

using ipc::Json;

constexpr std::size_t command_bytes_shown = 60;

struct Filter {
  std::optional<std::string_view> state, name, pool, since, limit;
  Words labels;
};

/// So long ago ("2h"), or a time as --at takes it, where one without a date is the last such.
Result<Micros> parse_since(std::string_view text) {
  constexpr Micros day = Micros{24} * 3600 * 1'000'000;
  const Micros now = now_micros();
  const bool has_unit = !text.empty() && std::isalpha(static_cast<unsigned char>(text.back()));
  if (const auto ago = parse_duration_s(text); ago && has_unit) return now - static_cast<Micros>(*ago * 1e6);
  const auto time = parse_wall_time(text, now);
  if (!time)
    return usage_error("--since " + std::string(text) +
                       " is no time; allowed: 30m, 2h, 1d ago, 18:30, 2026-11-24 18:30, "
                       "2026-11-24T18:30:00Z, @EPOCH");
  return *time > now ? *time - day : *time;
}

Result<Json> to_params(const Filter& filter) {
  Json params = Json::object();
  if (filter.state && !job_state_from(*filter.state))
    return make_error(Errc::usage,
                      "--state " + std::string(*filter.state) +
                          " is none; allowed: waiting held queued running succeeded failed timed_out "
                          "cancelled lost");
  for (const auto& [key, value] :
       {std::pair("state", filter.state), std::pair("name", filter.name), std::pair("pool", filter.pool)})
    if (value) params[key] = ipc::to_wire(*value);
  if (filter.since) {
    const auto since = parse_since(*filter.since);
    if (!since) return since.error();
    params["since"] = rfc3339(*since);
  }
  for (const auto pair : filter.labels) {
    const auto equals = pair.find('=');
    if (equals == std::string_view::npos || equals == 0 || !is_utf8(pair.substr(0, equals)))
      return make_error(Errc::usage, "--label " + std::string(pair) + " is no pair; allowed: K=V");
    params["label"][std::string(pair.substr(0, equals))] = ipc::to_wire(pair.substr(equals + 1));
  }
  if (!filter.limit) return params;
  const auto limit = parse_integer(*filter.limit, 1, 1'000'000'000);
  if (!limit) return make_error(Errc::usage, "--limit: " + limit.error().message());
  params["limit"] = *limit;
  return params;
}

std::string text_of(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_null()) return "-";
  if (const auto bytes = ipc::from_wire(value)) return *bytes;
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string field(const Json& job, const char* key) { return job.contains(key) ? text_of(job[key]) : "-"; }

/// Its name where it has one, else what it runs.
std::string title_of(const Json& job) {
  if (const auto name = field(job, "name"); name != "-" && !name.empty()) return name;
  std::string title;
  if (job.contains("command") && job["command"].is_array()) {
    for (const auto& word : job["command"]) title += (title.empty() ? "" : " ") + text_of(word);
  } else {
    title = field(job, is_function(job) ? "function" : "command");
  }
  if (title.size() <= command_bytes_shown) return title;
  std::size_t cut = command_bytes_shown - 3;
  while (cut > 0 && (title[cut] & 0xC0) == 0x80) --cut;  // not in the middle of a character
  return title.substr(0, cut) + "...";
}

std::string duration_of(const Json& job) {
  if (!job.contains("duration_s") || !job["duration_s"].is_number()) return "-";
  char text[40];
  std::snprintf(text, sizeof text, "%.3fs", job["duration_s"].get<double>());
  return text;
}

std::string exit_of(const Json& job) {
  const auto exit = field(job, "exit_code");
  return exit == "-" ? field(job, "signal") : exit;
}

std::string labels_of(const Json& job) {
  std::string text;
  const auto labels = job.value("labels", Json::object());  // items() would not keep it alive
  for (const auto& [key, value] : labels.items())
    text += (text.empty() ? "" : ",") + key + "=" + text_of(value);
  return text.empty() ? "-" : text;
}

std::string worker_of(const Json& job) {
  const auto worker = job.value("worker", Json());
  return worker.is_object() ? field(worker, "pid") : "-";
}

struct Column {
  std::string_view name;
  const char* head;
  std::string (*cell)(const Json& job);
};
#define TINE_FIELD(key, head)                                  \
  {                                                            \
    key, head, [](const Json& job) { return field(job, key); } \
  }
constexpr Column columns[] = {
    TINE_FIELD("id", "ID"),
    TINE_FIELD("state", "STATE"),
    TINE_FIELD("pool", "POOL"),
    {"name", "NAME/COMMAND", title_of},
    {"exit", "EXIT", exit_of},
    {"duration", "DURATION", duration_of},
    TINE_FIELD("reason", "REASON"),
    TINE_FIELD("kind", "KIND"),
    TINE_FIELD("attempt", "ATTEMPT"),
    TINE_FIELD("submitted_at", "SUBMITTED"),
    TINE_FIELD("started_at", "STARTED"),
    TINE_FIELD("finished_at", "FINISHED"),
    {"labels", "LABELS", labels_of},
    {"pid", "PID", worker_of},
};
#undef TINE_FIELD
constexpr std::size_t usual_columns = 6;

using Columns = std::vector<const Column*>;

/// Errors: Errc::usage naming all that there are.
Result<Columns> columns_of(const std::optional<std::string_view>& names) {
  Columns chosen;
  if (!names) {
    for (std::size_t i = 0; i < usual_columns; ++i) chosen.push_back(&columns[i]);
    return chosen;
  }
  for (std::string_view rest = *names;;) {
    const auto comma = rest.find(',');
    const auto name = rest.substr(0, comma);
    const auto* found =
        std::find_if(std::begin(columns), std::end(columns), [&](const Column& c) { return c.name == name; });
    if (found == std::end(columns)) {
      std::string all;
      for (const auto& column : columns) all.append(" ").append(column.name);
      return make_error(Errc::usage,
                        "--columns: '" + std::string(name) + "' is none; allowed, with commas:" + all);
    }
    chosen.push_back(found);
    if (comma == std::string_view::npos) return chosen;
    rest.remove_prefix(comma + 1);
  }
}

Row row_of(const Json& job, const Columns& chosen) {
  Row row;
  for (const auto* column : chosen) row.push_back(column->cell(job));
  return row;
}

}  // namespace

int list(Invocation& invocation) {
  Filter filter;
  std::optional<std::string_view> column_names;
  Options options(invocation, "list", "Lists jobs, newest last: a table, or with --json a record a line.");
  options.value("--state", "STATE", filter.state, "in this state alone");
  options.value("--name", "GLOB", filter.name, "with a name that matches");
  options.values("--label", "K=V", filter.labels, "with this label; several: with all of them");
  options.value("--pool", "POOL", filter.pool, "of this pool");
  options.value("--since", "T", filter.since,
                "submitted since T: 2h (ago), 18:30, 2026-11-24 18:30, RFC 3339");
  options.value("--limit", "N", filter.limit, "the newest N");
  options.value("--columns", "A,B...", column_names,
                "of id state pool name exit duration reason kind attempt submitted_at started_at finished_at "
                "labels pid");
  if (const auto over = options.parse_without_words()) return *over;
  auto params = to_params(filter);
  if (!params) return fail(invocation, params.error());
  const auto chosen = columns_of(column_names);
  if (!chosen) return fail(invocation, chosen.error());
  if (!filter.limit) (*params)["after_id"] = 0;  // from the oldest on, page by page

  auto daemon = reach_daemon(invocation, Autostart::allowed);
  if (daemon.exit_code) return daemon.exit_code;
  std::vector<Row> rows(1);
  for (const auto* column : *chosen) rows[0].emplace_back(column->head);
  for (bool more = true; more;) {
    const auto page = daemon.client.call("list", *params);
    if (!page) return fail(invocation, page.error());
    const auto& jobs = page->at("jobs");
    for (const auto& job : jobs) {
      if (!invocation.json)
        rows.push_back(row_of(job, *chosen));
      else if (const int unwritten = print_json(job))
        return unwritten;
    }
    more = !filter.limit && !jobs.empty() && page->value("more", false);
    if (more) (*params)["after_id"] = id_of(jobs.back());
  }
  return invocation.json ? 0 : print_text(table(rows));
}

}  // namespace tine::cmd
