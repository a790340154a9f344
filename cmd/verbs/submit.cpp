#include <unistd.h>

#include <nlohmann/json.hpp>

#include "cmd/job_record.hpp"
#include "cmd/job_spec.hpp"
#include "cmd/outliving.hpp"
#include "cmd/print_json.hpp"
#include "cmd/verbs/verbs.hpp"
#include "core/base/file.hpp"
#include "ipc/member_text.hpp"
#include "ipc/places.hpp"

namespace tine::cmd {
namespace {

using ipc::Json;

/// The daemon's own state dir: with --socket it need not be the one that we would use.
Result<std::string> state_dir_of(Reached& daemon, const Invocation& invocation) {
  const auto status = daemon.client.call("status", Json::object());
  if (!status) return status.error();
  const auto about = status->find("daemon");
  if (about != status->end() && about->contains("state_dir")) return ipc::from_wire((*about)["state_dir"]);
  return ipc::state_folder(invocation.state_dir);
}

/// Puts "stdin" into the params. `spooled`: the copy that was made, if one was.
Status put_stdin(ipc::ObjectText& params, std::string_view from, Reached& daemon,
                 const Invocation& invocation, std::string& spooled) {
  if (from != "-") {
    const auto file = open_stdin_file(from);
    if (!file) return file.error();
    params.wire("stdin", absolute_path(std::string(from), current_folder()));
    return ok();
  }
  const auto state_dir = state_dir_of(daemon, invocation);
  if (!state_dir) return state_dir.error();
  const auto copy = spool_stdin(*state_dir);
  if (!copy) return copy.error();
  spooled = *copy;
  params.wire("stdin", spooled);
  params.flag("stdin_spooled");
  return ok();
}

/// `reply`: {"id":7}, and "last_id" with an array.
int print_id_or_range(std::string_view reply, bool json) {
  if (json) return print_line(reply);
  std::string text(ipc::member_text(reply, "id"));
  if (const auto last = ipc::member_text(reply, "last_id"); !last.empty()) text.append("-").append(last);
  return print_line(text);
}

int wait_and_print(Reached& daemon, std::uint64_t id, const Invocation& invocation) {
  const auto record = await_record(daemon, id);
  if (!record) return fail(invocation, record.error());
  const int printed = print_json(*record);
  return printed ? printed : exit_code_of_record(*record);
}

}  // namespace

int submit(Invocation& invocation) {
  SpecWords words;
  bool waits = false;
  Options options(invocation, "submit -- CMD ARG...  |  --shell 'STRING'  |  --fn NAME [--args JSON]",
                  "Queues a job and prints its id once it is on disk.");
  declare(options, words);
  options.flag("--wait", waits, "wait, and print only the job record");
  if (const auto over = options.parse()) return *over;
  std::string request;
  ipc::ObjectText params(request);
  if (const auto put = put_spec(params, words, options.free_words()); !put)
    return fail(invocation, put.error());
  if (waits && words.array)
    return fail_usage(invocation,
                      "--wait is for one job; allowed: --array, then tine wait on the ids that it prints");

  auto daemon = reach_daemon(invocation, Autostart::allowed);
  if (daemon.exit_code) return daemon.exit_code;
  std::string spooled;
  if (words.stdin_from) {
    if (const auto put = put_stdin(params, *words.stdin_from, daemon, invocation, spooled); !put)
      return fail(invocation, put.error());
  }
  put_surroundings(params, words.clean_env);
  params.end();
  const auto refused = [&](const Error& error) {
    // Refused: the copy has no owner. Lost: the job may be on disk, and own it.
    if (!spooled.empty() && daemon.client.is_open()) ::unlink(spooled.c_str());
    return fail(invocation, error);
  };
  if (!waits) {
    const auto reply = daemon.client.call_last("submit", request);
    return reply ? print_id_or_range(*reply, invocation.json) : refused(reply.error());
  }
  const auto reply = daemon.client.call_text("submit", request);
  return reply ? wait_and_print(daemon, id_of(*reply), invocation) : refused(reply.error());
}

}  // namespace tine::cmd
