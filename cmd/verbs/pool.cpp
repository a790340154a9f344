#include <nlohmann/json.hpp>

#include "cmd/outliving.hpp"
#include "cmd/print_json.hpp"
#include "cmd/print_table.hpp"
#include "cmd/verbs/verbs.hpp"
#include "core/base/limits.hpp"
#include "core/base/quantity.hpp"
#include "core/base/text.hpp"

namespace tine::cmd {
namespace {

using ipc::Json;

constexpr const char* allowed =
    "allowed: list, add NAME --size N, resize NAME N, pause|resume|close|open|join|terminate|remove NAME";

int print_pools(const Json& reply, bool json) {
  std::vector<Row> rows{{"POOL", "KIND", "SIZE", "BUSY", "QUEUED", "STATE"}};
  for (const auto& pool : reply.at("pools")) {
    if (json) {
      if (const int unwritten = print_json(pool)) return unwritten;
      continue;
    }
    Row row;
    for (const char* key : {"name", "kind", "size", "busy", "queued", "state"}) {
      const auto cell = pool.value(key, Json());
      row.push_back(cell.is_string() ? cell.get<std::string>() : cell.is_null() ? "-" : cell.dump());
    }
    rows.push_back(row);
  }
  return json ? 0 : print_text(table(rows));
}

/// The params of `pool WORD`. Errors: Errc::usage.
Result<Json> to_params(std::string_view word, const Words& names,
                       const std::optional<std::string_view>& size) {
  const bool resizes = word == "resize", adds = word == "add";
  const std::size_t expected = word == "list" ? 0 : resizes && !size ? 2 : 1;
  if (names.size() != expected || (adds && !size) || (size && !adds && !resizes))
    return make_error(Errc::usage,
                      std::string("'pool ") + std::string(word) + "' is not given right; " + allowed);
  Json params = Json::object();
  if (expected == 0) return params;
  params["name"] = ipc::to_wire(names[0]);
  if (!adds && !resizes) return params;
  const auto number = parse_integer(size ? *size : names[1], 1, limits::pool_size_max);
  if (!number) return make_error(Errc::usage, "the size: " + number.error().message());
  params["size"] = *number;
  return params;
}

}  // namespace

int pool(Invocation& invocation) {
  std::optional<std::string_view> size;
  Options options(
      invocation,
      "pool list | add NAME --size N | resize NAME N | pause|resume|close|open|join|terminate|remove NAME",
      "Pools of workers. close: refuse new jobs; join: wait until it is closed and empty.");
  options.value("--size", "N", size, "how many workers");
  if (const auto over = options.parse()) return *over;
  const auto& words = options.free_words();
  const auto word = words.empty() ? std::string_view("list") : words[0];
  bool known = false;
  for (const std::string_view one :
       {"list", "add", "resize", "pause", "resume", "close", "open", "join", "terminate", "remove"})
    known |= one == word;
  if (!known) return fail_usage(invocation, "'" + std::string(word) + "' is not known; " + allowed);
  const auto params = to_params(word, words.empty() ? Words{} : Words(words.begin() + 1, words.end()), size);
  if (!params) return fail(invocation, params.error());

  auto daemon = reach_daemon(invocation, Autostart::allowed);
  if (daemon.exit_code) return daemon.exit_code;
  const auto method = "pool." + std::string(word);
  const auto reply = word == "join" ? ask_outliving(daemon, method, [&] { return *params; })
                                    : daemon.client.call(method, *params);
  if (!reply) return fail(invocation, reply.error());
  if (word == "list") return print_pools(*reply, invocation.json);
  return invocation.json ? print_json(*reply) : 0;
}

}  // namespace tine::cmd
