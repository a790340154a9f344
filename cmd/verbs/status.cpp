#include <nlohmann/json.hpp>

#include "cmd/autostart.hpp"
#include "cmd/print_json.hpp"
#include "cmd/print_table.hpp"
#include "cmd/verbs/verbs.hpp"

namespace tine::cmd {
namespace {

using ipc::Json;

std::string cell(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return "-";
  return found->is_string() ? found->get<std::string>()
                            : found->dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string human(const Json& status) {
  const Json none = Json::object();
  const auto& daemon = status.contains("daemon") ? status["daemon"] : none;
  std::string text = "tined " + cell(daemon, "version") + ", pid " + cell(daemon, "pid") + ", up " +
                     cell(daemon, "uptime_s") + " s, at " + cell(daemon, "socket") + "\n\n";
  std::vector<Row> rows{{"POOL", "KIND", "SIZE", "BUSY", "QUEUED", "STATE"}};
  for (const auto& pool : status.value("pools", Json::array())) {
    rows.push_back({cell(pool, "name"), cell(pool, "kind"), cell(pool, "size"), cell(pool, "busy"),
                    cell(pool, "queued"), cell(pool, "state")});
  }
  text += table(rows) + "\njobs:";
  const auto jobs = status.value("jobs", Json::object());
  for (const auto& [state, count] : jobs.items()) text += " " + state + " " + count.dump();
  return text + (jobs.empty() ? " none\n" : "\n");
}

/// The reply to a question without params, from a daemon that is there already.
Result<Json> ask(Invocation& invocation, const char* method, int& exit_code) {
  auto daemon = reach_daemon(invocation, Autostart::never);
  if ((exit_code = daemon.exit_code)) return Json();
  auto reply = daemon.client.call(method, Json::object());
  if (!reply) exit_code = fail(invocation, reply.error());
  return reply;
}

}  // namespace

int status(Invocation& invocation) {
  Options options(invocation, "status", "Pools, workers, and counts of jobs by state.");
  if (const auto over = options.parse_without_words()) return *over;
  int exit_code = 0;
  const auto reply = ask(invocation, "status", exit_code);
  if (exit_code) return exit_code;
  return invocation.json ? print_json(*reply) : print_text(human(*reply));
}

int ping(Invocation& invocation) {
  Options options(invocation, "ping", "Whether the daemon answers: exit code 0, or 69.");
  if (const auto over = options.parse_without_words()) return *over;
  int exit_code = 0;
  const auto reply = ask(invocation, "ping", exit_code);
  if (exit_code) return exit_code;
  return invocation.json ? print_json(*reply) : print_text("pong\n");
}

}  // namespace tine::cmd
