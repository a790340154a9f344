#include <nlohmann/json.hpp>

#include "cmd/autostart.hpp"
#include "cmd/print_json.hpp"
#include "cmd/selection.hpp"
#include "cmd/verbs/verbs.hpp"

namespace tine::cmd {

int retry(Invocation& invocation) {
  Options options(invocation, "retry SEL...",
                  "Queues each ended job again, as a new job with a new id, and prints the ids.");
  if (const auto over = options.parse()) return *over;
  const auto selection = parse_selection(options.free_words());
  if (!selection) return fail(invocation, selection.error());
  auto daemon = reach_daemon(invocation, Autostart::allowed);
  if (daemon.exit_code) return daemon.exit_code;
  const auto reply = daemon.client.call("retry", to_params(*selection));
  if (!reply) return fail(invocation, reply.error());
  if (invocation.json) return print_json(*reply);
  std::string text;
  for (const auto& id : reply->at("ids")) text += id.dump() + "\n";
  return print_text(text);
}

}  // namespace tine::cmd
