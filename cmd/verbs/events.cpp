#include <nlohmann/json.hpp>

#include "cmd/outliving.hpp"
#include "cmd/print_json.hpp"
#include "cmd/verbs/verbs.hpp"
#include "core/base/quantity.hpp"
#include "ipc/member_text.hpp"
#include "ipc/protocol.hpp"

namespace tine::cmd {

using ipc::Json;

int events(Invocation& invocation) {
  bool follow = false;
  std::optional<std::string_view> since_text;
  Options options(invocation, "events [-f] [--since SEQ]",
                  "Prints what has happened, one line of JSON each, numbered by one without a gap.");
  options.flag("-f,--follow", follow, "go on with what happens from now on");
  options.value("--since", "SEQ", since_text, "those alone that came after this number");
  if (const auto over = options.parse_without_words()) return *over;
  std::optional<std::int64_t> since;
  if (since_text) {
    const auto number = parse_integer(*since_text, 0, INT64_MAX);
    if (!number) return fail_usage(invocation, "--since: " + number.error().message());
    since = *number;
  }
  auto daemon = reach_daemon(invocation, Autostart::never);
  if (daemon.exit_code) return daemon.exit_code;
  int unwritten = 0;
  const auto params = [&] {
    Json asked{{"follow", follow}};
    if (since) asked["since"] = *since;
    return asked;
  };
  const auto reply =
      ask_outliving(daemon, "events", params, [&](const ipc::Client::Notification& told) -> Status {
        if (told.method != ipc::event) return ok();
        // Where a daemon that comes back is asked to go on.
        if (const auto seq = parse_integer(ipc::member_text(told.params, "seq"), 0, INT64_MAX)) since = *seq;
        unwritten = print_line(told.params);
        return unwritten ? Status(make_error(Errc::io, "")) : ok();
      });
  if (unwritten) return unwritten;
  return reply ? 0 : fail(invocation, reply.error());
}

}  // namespace tine::cmd
