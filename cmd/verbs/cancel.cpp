#include <csignal>
#include <nlohmann/json.hpp>

#include "cmd/autostart.hpp"
#include "cmd/print_json.hpp"
#include "cmd/selection.hpp"
#include "cmd/verbs/verbs.hpp"
#include "core/job/job.hpp"

namespace tine::cmd {
namespace {

/// Asks once and says nothing but with --json.
int ask(Invocation& invocation, const char* method, const Words& words, std::optional<int> signal) {
  const auto selection = parse_selection(words);
  if (!selection) return fail(invocation, selection.error());
  auto params = to_params(*selection);
  if (signal) params["signal"] = *signal;
  auto daemon = reach_daemon(invocation, Autostart::allowed);
  if (daemon.exit_code) return daemon.exit_code;
  const auto reply = daemon.client.call(method, params);
  if (!reply) return fail(invocation, reply.error());
  return invocation.json ? print_json(*reply) : 0;
}

/// A verb that is asked of a selection and has no option.
int ask_plainly(Invocation& invocation, const char* method, const char* synopsis, const char* about) {
  Options options(invocation, synopsis, about);
  if (const auto over = options.parse()) return *over;
  return ask(invocation, method, options.free_words(), std::nullopt);
}

}  // namespace

int hold(Invocation& invocation) {
  return ask_plainly(invocation, "hold", "hold SEL...", "Does not start a queued job until it is released.");
}

int release(Invocation& invocation) {
  return ask_plainly(invocation, "release", "release SEL...", "Lets a held job start.");
}

int pause(Invocation& invocation) {
  return ask_plainly(invocation, "pause", "pause SEL...",
                     "Stops the whole tree of a running job (SIGSTOP); its time-out stands still.");
}

int resume(Invocation& invocation) {
  return ask_plainly(invocation, "resume", "resume SEL...", "Lets a paused job go on.");
}

int cancel(Invocation& invocation) {
  Options options(invocation, "cancel SEL...",
                  "Never starts a job, or ends its whole process tree: TERM, then KILL.");
  if (const auto over = options.parse()) return *over;
  return ask(invocation, "cancel", options.free_words(), std::nullopt);
}

int kill(Invocation& invocation) {
  std::optional<std::string_view> name;
  Options options(invocation, "kill [-s SIG] SEL...", "Sends a signal to the main process of a running job.");
  options.value("-s,--signal", "SIG", name, "TERM, SIGUSR1, 9 ... (TERM)");
  if (const auto over = options.parse()) return *over;
  const auto signal = name ? signal_from(*name) : std::optional<int>(SIGTERM);
  if (!signal)
    return fail_usage(invocation,
                      "no signal is named " + std::string(*name) + "; allowed: TERM, SIGUSR1, 9 ...");
  return ask(invocation, "kill", options.free_words(), signal);
}

}  // namespace tine::cmd
