#include <nlohmann/json.hpp>

#include "cmd/autostart.hpp"
#include "cmd/print_json.hpp"
#include "cmd/selection.hpp"
#include "cmd/verbs/verbs.hpp"

namespace tine::cmd {

int why(Invocation& invocation) {
  Options options(invocation, "why SEL...", "Tells in one line what a job that is not running waits for.");
  if (const auto over = options.parse()) return *over;
  const auto selection = parse_selection(options.free_words());
  if (!selection) return fail(invocation, selection.error());
  auto daemon = reach_daemon(invocation, Autostart::allowed);
  if (daemon.exit_code) return daemon.exit_code;
  const auto reply = daemon.client.call("why", to_params(*selection));
  if (!reply) return fail(invocation, reply.error());
  for (const auto& job : reply->at("jobs")) {
    const int unwritten =
        invocation.json
            ? print_json(job)
            : print_text("job " + job.at("id").dump() + " " + job.at("why").get<std::string>() + "\n");
    if (unwritten) return unwritten;
  }
  return 0;
}

}  // namespace tine::cmd
