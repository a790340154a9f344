#include <poll.h>

#include <nlohmann/json.hpp>

#include "cmd/autostart.hpp"
#include "cmd/print_json.hpp"
#include "cmd/verbs/verbs.hpp"
#include "core/base/file.hpp"
#include "core/base/quantity.hpp"

namespace tine::cmd {
namespace {

using ipc::Json;

constexpr int gone_poll_ms = 5, gone_polls_max = 2000;  // 10 s from the closed socket to the last breath

/// Whether the process has ended; one that its parent has not reaped yet counts.
bool has_ended_process(int pid) {
  const auto stat = read_file("/proc/" + std::to_string(pid) + "/stat");
  if (!stat) return true;
  const auto name_end = stat->rfind(')');  // the name may hold anything, blanks and brackets too
  return name_end == std::string::npos || name_end + 2 >= stat->size() || (*stat)[name_end + 2] == 'Z' ||
         (*stat)[name_end + 2] == 'X';
}

/// Reads to the end of the conversation, then sees the process go: the next start must not find its lock
/// held.
void await_end(ipc::Client& client) {
  const int pid = client.daemon_pid();
  while (client.is_open()) (void)client.next_message();
  for (int i = 0; pid > 0 && i < gone_polls_max && !has_ended_process(pid); ++i)
    ::poll(nullptr, 0, gone_poll_ms);
}

Result<Json> to_params(bool now, bool leave_jobs, const std::optional<std::string_view>& timeout) {
  if (now + leave_jobs + timeout.has_value() > 1)
    return make_error(Errc::usage, "allowed: one of --now, --timeout D, --leave-jobs");
  if (leave_jobs) return Json{{"mode", "leave_jobs"}};
  if (now) return Json{{"mode", "now"}};
  Json params{{"mode", "drain"}};
  if (!timeout) return params;
  const auto seconds = parse_duration_s(*timeout);
  if (!seconds) return make_error(Errc::usage, "--timeout: " + seconds.error().message());
  params["timeout_s"] = *seconds;
  return params;
}

}  // namespace

int shutdown(Invocation& invocation) {
  bool now = false, leave_jobs = false;
  std::optional<std::string_view> timeout;
  Options options(invocation, "shutdown",
                  "Starts no more jobs, waits for the running ones, ends the daemon.");
  options.value("--timeout", "D", timeout, "cancel what still runs after D");
  options.flag("--now", now, "cancel what runs at once");
  options.flag("--leave-jobs", leave_jobs, "end at once; workers go on, and the next start adopts them");
  if (const auto over = options.parse_without_words()) return *over;
  const auto params = to_params(now, leave_jobs, timeout);
  if (!params) return fail(invocation, params.error());

  auto daemon = reach_daemon(invocation, Autostart::not_needed);
  if (daemon.exit_code) return daemon.exit_code == 69 ? 0 : daemon.exit_code;
  const auto reply = daemon.client.call("shutdown", *params);
  if (!reply && daemon.client.is_open()) return fail(invocation, reply.error());
  await_end(daemon.client);
  if (!reply && daemon.client.daemon_pid() == 0) return fail(invocation, reply.error());
  return reply && invocation.json ? print_json(*reply) : 0;
}

}  // namespace tine::cmd
