#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What a job is: its specification (fixed at submit) and its outcome (fixed at its end), and their bytes on
/// disk.
namespace tine {

using JobId = std::uint64_t;  ///< 0: no job
using Micros = std::int64_t;  ///< a time: microseconds since the Unix epoch, 0: not yet

enum class JobState : std::uint8_t {
  waiting = 0,
  held = 1,
  queued = 2,
  running = 3,  ///< in the store: may have been started (the intent); in memory: was sent to a worker
  succeeded = 5,
  failed = 6,
  timed_out = 7,
  cancelled = 8,
  lost = 9,
};
inline bool has_ended(JobState state) { return state >= JobState::succeeded; }
std::string_view name_of(JobState state);
std::optional<JobState> job_state_from(std::string_view name);

enum class Reason : std::uint8_t {
  none,
  exit,
  signal,
  timeout,
  oom,
  exec,
  exception,
  cancelled,
  dependency,
  worker_died
};
std::string_view name_of(Reason reason);  ///< "" for none

/// "SIGKILL" for 9; "SIG<N>" for one without a name.
std::string signal_name(int signal);
/// Accepts "KILL", "SIGKILL", "kill" and "9". nullopt: no such signal.
std::optional<int> signal_from(std::string_view text);

enum class JobKind : std::uint8_t { command, function };

/// Whether a caller holds the job, as `run` does, and with it dies.
enum class Foreground : std::uint8_t {
  no,
  captured,   ///< the caller's stdin; the output is kept
  given_away  ///< the caller's own stdin, stdout and stderr
};

/// What the other job's end must be (Slurm's words).
enum class After : std::uint8_t {
  ok,     ///< succeeded
  any,    ///< any of the five ends
  not_ok  ///< any of them but succeeded
};

struct Dependency {
  After after = After::ok;
  JobId job = 0;
};

/// What becomes of a job whose unique key an unfinished one holds.
enum class OnDuplicate : std::uint8_t { skip, queue, replace, error };

inline constexpr std::uint64_t no_bound = ~std::uint64_t{0};

/// Everything that a submit fixes. Strings are bytes: they need not be UTF-8.
struct JobSpec {
  std::string name;
  std::string pool = "default";
  JobKind kind = JobKind::command;
  bool shell = false;             ///< argv is {"/bin/sh","-c",STRING}
  std::vector<std::string> argv;  ///< a command's
  std::string function;           ///< a function's name
  std::string args_json;          ///< a function's arguments: a JSON array
  std::int32_t priority = 0;      ///< higher first
  std::string workdir = "/";      ///< absolute
  std::uint32_t umask = 022;
  bool clean_environment = false;              ///< of the base environment it gets PATH alone
  std::vector<std::string> environment_extra;  ///< K=V, laid over the base environment
  std::string stdin_path;                      ///< "": /dev/null. Opened when the job starts
  bool stdin_is_spooled = false;               ///< stdin_path is our own copy, deleted with the job
  std::map<std::string, std::string> labels;
  double timeout_s = 0;      ///< 0: none
  double kill_after_s = 10;  ///< from TERM to KILL
  std::string callback;      ///< a shell string, "": none
  Foreground foreground = Foreground::no;

  // What keeps it waiting, and what binds it to other jobs.
  Micros not_before = 0;  ///< 0: at once
  std::vector<Dependency> dependencies;
  std::uint32_t retries = 0;  ///< attempts after the first, when one failed, timed out or was lost
  double retry_delay_s = 0;
  double backoff = 1;                        ///< each further delay is this many times the one before
  std::optional<std::uint32_t> array_index;  ///< of an element of an array
  JobId array_id = 0;                        ///< its first element, where at most array_max run at once
  std::uint32_t array_max = 0;               ///< 0: no bound
  std::string unique_key;                    ///< of one key at most one job runs at a time, "": none
  OnDuplicate on_duplicate = OnDuplicate::skip;
  std::string idempotency_key;  ///< one job for this key as long as it is kept, "": none

  // What it may use.
  std::uint32_t slots = 1;                    ///< of its pool's size
  std::uint64_t max_output_bytes = no_bound;  ///< of each stream; the rest is counted and dropped
  std::uint64_t max_memory_bytes = no_bound;
  std::int32_t nice = 0;

  /// Whether more than its place in line decides when it starts: the daemon then keeps what it waits for.
  bool has_conditions() const {
    return not_before != 0 || !dependencies.empty() || retries > 0 || array_max > 0 || !unique_key.empty() ||
           slots != 1;
  }

  /// Which of workdir, env, clean_env and stdin the submit named, for people. Not kept: "" from
  /// decode_spec().
  std::string own_surroundings;
};

std::string encode(const JobSpec& spec);
/// nullopt: not what encode() of this version wrote.
std::optional<JobSpec> decode_spec(std::string_view bytes);

/// One attempt's end as its witness saw it. Written by the worker, read by the daemon.
struct Outcome {
  JobId job = 0;
  std::uint32_t attempt = 1;
  JobState state = JobState::lost;  ///< one of the five ends
  Reason reason = Reason::none;
  std::optional<int> exit_code;  ///< the number `tine run` exits with is derived by exit_code_of_job
  std::optional<int> signal;
  std::string result_json;  ///< a function's result, "": none
  std::string error_type;   ///< "" : no error
  std::string error_message;
  Micros started = 0, finished = 0;
  /// A difference of integers could overflow: a damaged record may hold anything.
  double duration_s() const { return (static_cast<double>(finished) - static_cast<double>(started)) / 1e6; }
  std::uint32_t slot = 0;
  std::int32_t worker_pid = 0;
  double user_s = 0, system_s = 0;
  std::uint64_t max_rss_bytes = 0;
  std::uint64_t stdout_bytes = 0, stderr_bytes = 0;                  ///< whole sizes
  std::uint64_t stdout_dropped_bytes = 0, stderr_dropped_bytes = 0;  ///< of these, cut by max_output_bytes
  bool stdout_in_file = false, stderr_in_file = false;  ///< else the whole is in the strings below
  std::string stdout_inline, stderr_inline;
};

std::string encode(const Outcome& outcome);
std::optional<Outcome> decode_outcome(std::string_view bytes);

/// The exit code a client passes through for one job of this end (contract 2).
int exit_code_of_job(JobState state, Reason reason, JobKind kind, std::optional<int> exit_code,
                     std::optional<int> signal);

}  // namespace tine
