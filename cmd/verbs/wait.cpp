#include <nlohmann/json.hpp>
#include <unordered_set>

#include "cmd/job_record.hpp"
#include "cmd/outliving.hpp"
#include "cmd/print_json.hpp"
#include "cmd/progress.hpp"
#include "cmd/selection.hpp"
#include "cmd/verbs/verbs.hpp"
#include "core/base/quantity.hpp"
#include "ipc/protocol.hpp"

namespace tine::cmd {
namespace {

using ipc::Json;
using Clock = std::chrono::steady_clock;

struct WaitWords {
  bool all = false, any = false, progress = false;
  std::optional<std::string_view> timeout;
};

struct Wish {
  Json params = Json::object();
  std::optional<Clock::time_point> deadline;

  /// Asked again after a restart, the time that is left is shorter.
  Json at_this_time() const {
    Json now = params;
    if (deadline) {
      const std::chrono::duration<double> left = *deadline - Clock::now();
      now["timeout_s"] = std::max(0.0, left.count());
    }
    return now;
  }
};

/// The ends that were seen, and what they make of the exit code.
struct Ends {
  std::unordered_set<JobId> seen;
  int code_of_one = 0;
  bool all_succeeded = true;
  int unwritten = 0;  ///< stdout failed: the exit code

  /// `record`: as text, or a value.
  template <class Record>
  Status take(const Record& record, bool prints) {
    if (!seen.insert(id_of(record)).second) return ok();
    if (seen.size() == 1) code_of_one = exit_code_of_record(record);
    all_succeeded = all_succeeded && succeeded(record);
    if (prints && (unwritten = print(record))) return make_error(Errc::io, "");
    return ok();
  }
  static int print(std::string_view record) { return print_line(record); }
  static int print(const Json& record) { return print_json(record); }
  int exit_code() const { return seen.size() == 1 ? code_of_one : all_succeeded ? 0 : 1; }
};

Status put_timeout(Wish& wish, const WaitWords& words) {
  if (!words.timeout) return ok();
  const auto seconds = parse_duration_s(*words.timeout);
  if (!seconds) return make_error(Errc::usage, "--timeout: " + seconds.error().message());
  wish.deadline =
      Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(*seconds));
  return ok();
}

void expect(Progress& progress, const Json& began) {
  progress.count(began.value("jobs", std::uint64_t{0}));
  progress.expect(began.value("jobs", std::uint64_t{0}), began.value("ended", std::uint64_t{0}));
}

int wait_for(Reached& daemon, const Wish& wish, bool any, Progress& progress, const Invocation& invocation) {
  Ends ends;
  const bool prints_records = invocation.json && !any;
  const auto reply = ask_outliving(
      daemon, "wait", [&] { return wish.at_this_time(); },
      [&](const ipc::Client::Notification& told) -> Status {
        if (told.method == ipc::wait_began) expect(progress, Json::parse(told.params));
        if (told.method != ipc::job_finished || ends.seen.contains(id_of(told.params))) return ok();
        progress.done(!succeeded(told.params));
        progress.step(1);
        if (prints_records) progress.clear();
        return ends.take(told.params, prints_records);
      },
      progress.is_shown() ? std::function<void()>([&] { progress.tell(); }) : nullptr);
  progress.clear();
  if (ends.unwritten) return ends.unwritten;
  if (!reply) return fail(invocation, reply.error());
  if (reply->value("timed_out", false)) return 124;
  for (const auto& job : reply->at("jobs")) {
    if (const auto taken = ends.take(job, prints_records); !taken) return ends.unwritten;
    if (!any) continue;
    const int printed = invocation.json ? print_json(job) : print_text(std::to_string(id_of(job)) + "\n");
    return printed ? printed : exit_code_of_record(job);
  }
  return ends.exit_code();
}

}  // namespace

int wait(Invocation& invocation) {
  WaitWords words;
  Options options(invocation, "wait SEL...  |  --all", "Waits until jobs have ended; SEL: 7, 12-111, last.");
  options.flag("--all", words.all, "the jobs that are unfinished now");
  options.flag("--any", words.any, "until one has ended; prints its id, exits with its code");
  options.flag("--progress", words.progress, "tell on stderr, if that is a terminal, how far it is");
  options.value("--timeout", "D", words.timeout, "give up after D, with exit code 124");
  if (const auto over = options.parse()) return *over;
  if (words.all && !options.free_words().empty())
    return fail_usage(invocation, "--all goes without a job; allowed: SEL... or --all");
  if (words.any && words.progress)
    return fail_usage(invocation, "--progress goes without --any; allowed: one of them");
  Wish wish;
  if (const auto put = put_timeout(wish, words); !put) return fail(invocation, put.error());
  auto selection = words.all ? Result<Selection>(Selection{}) : parse_selection(options.free_words());
  if (!selection) return fail(invocation, selection.error());

  auto daemon = reach_daemon(invocation, Autostart::allowed);
  if (daemon.exit_code) return daemon.exit_code;
  if (const auto pinned = pin_last(daemon, *selection); !pinned) return fail(invocation, pinned.error());
  wish.params = to_params(*selection);
  if (words.all) wish.params["all"] = true;
  if (words.any) wish.params["any"] = true;
  if (invocation.json) wish.params["records"] = true;
  Progress progress(words.progress);
  if ((invocation.json && !words.any) || progress.is_shown()) wish.params["stream"] = true;
  if (progress.is_shown()) wish.params["progress"] = true;
  return wait_for(daemon, wish, words.any, progress, invocation);
}

}  // namespace tine::cmd
