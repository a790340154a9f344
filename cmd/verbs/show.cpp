#include <nlohmann/json.hpp>

#include "cmd/captured_output.hpp"
#include "cmd/job_record.hpp"
#include "cmd/print_json.hpp"
#include "cmd/selection.hpp"
#include "cmd/verbs/verbs.hpp"

namespace tine::cmd {
namespace {

using ipc::Json;

/// The records of the free words' jobs. An exit code: it ended here, and was told.
struct Shown {
  Reached daemon;
  Json jobs = Json::array();
  int exit_code = 0;
};

Shown ask(Invocation& invocation, const Words& words) {
  Shown shown;
  const auto selection = parse_selection(words);
  if (!selection) return shown.exit_code = fail(invocation, selection.error()), std::move(shown);
  shown.daemon = reach_daemon(invocation, Autostart::allowed);
  if ((shown.exit_code = shown.daemon.exit_code)) return shown;
  auto reply = shown.daemon.client.call("show", to_params(*selection));
  if (!reply) return shown.exit_code = fail(invocation, reply.error()), std::move(shown);
  shown.jobs = std::move(reply->at("jobs"));
  return shown;
}

Error absent(const Json& record, const std::string& what) {
  return make_error(Errc::absent, "job " + std::to_string(id_of(record)) + " " + what);
}

int print_result(Reached& daemon, const Json& record, const Invocation& invocation) {
  const auto state = job_state_from(state_of(record));
  if (state && !has_ended(*state))
    return fail(invocation, absent(record, "is " + state_of(record) + ": no result yet"));
  if (is_function(record)) {
    if (succeeded(record)) return print_json(record.contains("result") ? record["result"] : Json());
    const auto error = error_text(record);
    return fail(invocation, absent(record, state_of(record) + (error.empty() ? "" : ": " + error)));
  }
  int unwritten = 0;
  OutputWish wish;
  wish.err = false;
  const auto read = read_output(daemon, id_of(record), wish, [&](Stream, std::string_view bytes) {
    return (unwritten = print_text(bytes)) == 0;
  });
  return read ? unwritten : fail(invocation, read.error());
}

}  // namespace

int show(Invocation& invocation) {
  Options options(invocation, "show SEL...", "Prints job records, one line of JSON each.");
  if (const auto over = options.parse()) return *over;
  const auto shown = ask(invocation, options.free_words());
  if (shown.exit_code) return shown.exit_code;
  for (const auto& record : shown.jobs) {
    if (const int unwritten = print_json(record)) return unwritten;
  }
  return 0;
}

int result(Invocation& invocation) {
  Options options(invocation, "result SEL...",
                  "Prints a function's result as JSON, or a command's whole stdout.");
  if (const auto over = options.parse()) return *over;
  auto shown = ask(invocation, options.free_words());
  if (shown.exit_code) return shown.exit_code;
  int worst = 0;
  for (const auto& record : shown.jobs) {
    if (const int code = print_result(shown.daemon, record, invocation)) worst = code;
  }
  return worst;
}

}  // namespace tine::cmd
