#include <nlohmann/json.hpp>

#include "cmd/autostart.hpp"
#include "cmd/print_json.hpp"
#include "cmd/verbs/verbs.hpp"
#include "core/base/quantity.hpp"

namespace tine::cmd {

int clean(Invocation& invocation) {
  std::optional<std::string_view> older, state;
  Options options(invocation, "clean [--older D] [--state S]",
                  "Forgets ended jobs and their logs, and prints how many.");
  options.value("--older", "D", older, "those alone that ended longer ago than D: 30s 5m 2h 1d");
  options.value("--state", "S", state, "those alone: succeeded, failed, timed_out, cancelled, lost");
  if (const auto over = options.parse_without_words()) return *over;
  ipc::Json params = ipc::Json::object();
  if (older) {
    const auto seconds = parse_duration_s(*older);
    if (!seconds) return fail_usage(invocation, "--older: " + seconds.error().message());
    params["older"] = *seconds;
  }
  if (state) params["state"] = ipc::to_wire(*state);
  auto daemon = reach_daemon(invocation, Autostart::allowed);
  if (daemon.exit_code) return daemon.exit_code;
  const auto reply = daemon.client.call("clean", params);
  if (!reply) return fail(invocation, reply.error());
  return invocation.json ? print_json(*reply) : print_text(reply->at("cleaned").dump() + "\n");
}

}  // namespace tine::cmd
