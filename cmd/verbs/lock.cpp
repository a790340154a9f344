#include <stdlib.h>

#include <string>

#include "cmd/guarded_command.hpp"
#include "cmd/print_json.hpp"
#include "cmd/print_table.hpp"
#include "cmd/shared_state.hpp"
#include "cmd/verbs/verbs.hpp"
#include "core/shared/rlock.hpp"

namespace tine::cmd {
namespace {

using shared::RLock;

constexpr Subcommand subcommands[] = {
    {"run", 2, any_number, "run NAME [--timeout D] -- CMD ARG…"},
    {"acquire", 1, 1, "acquire NAME [--timeout D]"},
    {"release", 1, 1, "release NAME"},
    {"list", 0, 0, "list"},
    {"rm", 1, 1, "rm NAME"},
};
constexpr const char* synopsis =
    "lock run NAME [--timeout D] -- CMD ARG… | acquire NAME [--timeout D] | release NAME | list | rm NAME";
constexpr const char* about =
    "run: hold the lock while CMD runs. acquire, release: by the job around this process, to its end at "
    "most.\n"
    "Who is inside of the owner enters at once; siblings exclude each other. Not free in time: exit 75.";

Error refusal(const Error& error, const std::string& name) {
  if (error.code == Errc::timed_out) return make_error(Errc::try_later, name + " was not free in time");
  if (error.code == Errc::not_permitted) return make_error(Errc::absent, name + ": " + error.message());
  return error;
}

Result<RLock> open(const Invocation& invocation, const std::string& name) {
  const auto folder = shared_folder(invocation);
  if (!folder) return folder.error();
  return RLock::open_or_create(*folder, name);
}

int run(const Invocation& invocation, const std::string& name, const Words& command,
        shared::Deadline deadline) {
  std::optional<RLock> held;
  const auto take = [&]() -> int {
    auto lock = open(invocation, name);
    if (!lock) return fail(invocation, lock.error());
    if (auto taken = lock->acquire(deadline); !taken) return fail(invocation, refusal(taken.error(), name));
    held = std::move(*lock);
    const auto entry = shared::environment_with_owner(shared::this_thread());
    ::setenv(entry.substr(0, entry.find('=')).c_str(), entry.substr(entry.find('=') + 1).c_str(), 1);
    return 0;
  };
  return run_guarded(command, take, [&] { (void)held->release(); });
}

int acquire_or_release(const Invocation& invocation, bool acquires, const std::string& name,
                       shared::Deadline deadline) {
  if (shared::this_job() == 0)
    return fail_usage(invocation,
                      "a lock is a job's here; allowed: inside of one (TINE_JOB_ID is not set), or lock run");
  const auto folder = shared_folder(invocation);
  if (!folder) return fail(invocation, folder.error());
  const auto job = job_that_takes(*folder, "the lock");
  if (!job) return fail(invocation, job.error());
  auto lock = RLock::open_or_create(*folder, name);
  if (!lock) return fail(invocation, lock.error());
  const auto done = acquires ? lock->acquire_for_job(*job, shared::witness_of_this_job(), deadline)
                             : lock->release_for_job(*job);
  return done ? 0 : fail(invocation, refusal(done.error(), name));
}

shared::Json owner_json(const RLock::State& state) {
  if (state.owner == 0) return nullptr;
  shared::Json owner = shared::Json::object();
  if (!shared::is_job(state.owner)) owner["pid"] = shared::pid_of(state.owner);
  if (const auto job = shared::is_job(state.owner) ? state.owner : state.job; job) {
    owner["job"] = shared::job_of(job);
    owner["attempt"] = shared::attempt_of(job);
  }
  return owner;
}

std::string owner_text(const RLock::State& state) {
  if (state.owner == 0) return "-";
  const auto job = shared::is_job(state.owner) ? state.owner : state.job;
  std::string text = job ? "job " + std::to_string(shared::job_of(job)) : "";
  if (!shared::is_job(state.owner))
    text += (job ? ", pid " : "pid ") + std::to_string(shared::pid_of(state.owner));
  return text;
}

int list_locks(const Invocation& invocation) {
  const auto folder = shared_folder(invocation);
  if (!folder) return fail(invocation, folder.error());
  std::vector<Row> rows{{"NAME", "OWNER", "DEPTH", "WAITERS"}};
  for (const auto& name : folder->names(shared::Kind::lock)) {
    auto lock = RLock::open(*folder, name);
    if (!lock && lock.error().code == Errc::absent) continue;
    if (lock) lock->free_if_ended(0);
    const auto state = lock ? lock->state() : RLock::State{};
    if (invocation.json) {
      const shared::Json line = lock ? shared::Json{{"name", name},
                                                    {"owner", owner_json(state)},
                                                    {"depth", state.depth},
                                                    {"waiters", state.waiters}}
                                     : shared::Json{{"name", name}, {"error", lock.error().message()}};
      if (const int unwritten = print_json(line)) return unwritten;
    } else {
      rows.push_back({name, lock ? owner_text(state) : lock.error().message(), std::to_string(state.depth),
                      std::to_string(state.waiters)});
    }
  }
  return invocation.json ? 0 : print_text(table(rows));
}

/// The words of `lock run`, whose options may stand before and after NAME, and whose command may look like
/// options.
std::optional<int> parse(Invocation& invocation, std::optional<std::string_view>& timeout, Words& words) {
  const bool runs = !invocation.words.empty() && invocation.words[0] == "run";
  for (int parts = runs ? 2 : 0;; --parts) {
    Options options(invocation, synopsis, about);
    options.value("--timeout", "D", timeout, "wait no longer (exit 75)");
    if (runs) options.stop_at_first_word();  // "run", then NAME, then the command: before each, options
    if (const auto over = options.parse()) return over;
    const auto& free = options.free_words();
    if (parts == 0 || free.empty()) {
      words.insert(words.end(), free.begin(), free.end());
      return std::nullopt;
    }
    words.push_back(free[0]);
    invocation.words.assign(free.begin() + 1, free.end());
  }
}

}  // namespace

int lock(Invocation& invocation) {
  std::optional<std::string_view> timeout;
  Words free_words, words;
  if (const auto over = parse(invocation, timeout, free_words)) return *over;
  int exit_code = 0;
  const auto* what = find_subcommand(invocation, free_words, std::begin(subcommands), std::end(subcommands),
                                     words, exit_code);
  if (!what) return exit_code;
  const auto deadline = parse_deadline(timeout);
  if (!deadline) return fail(invocation, deadline.error());
  if (what->name == "list") return list_locks(invocation);
  const std::string name(words[0]);
  if (what->name == "run") return run(invocation, name, Words(words.begin() + 1, words.end()), *deadline);
  if (what->name != "rm") return acquire_or_release(invocation, what->name == "acquire", name, *deadline);
  const auto folder = shared_folder(invocation);
  if (!folder) return fail(invocation, folder.error());
  const auto removed = folder->remove(shared::Kind::lock, name);
  return removed ? 0 : fail(invocation, removed.error());
}

}  // namespace tine::cmd
