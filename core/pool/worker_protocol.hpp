#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/job/job.hpp"

/// What the daemon, its zygote and its workers say to each other.
///
/// A frame on a stream socket is [u32 payload bytes][u8 FrameType][payload], host byte order; descriptors
/// ride (SCM_RIGHTS) on the first byte of the frame. Payloads are written with ByteWriter in the order of the
/// fields below. Workers dial `<state dir>/workers.sock` (through /proc/self/fd/N of the state dir, so its
/// length has no limit).
namespace tine {

enum class FrameType : std::uint8_t {
  // worker -> daemon
  hello = 1,      ///< WorkerHello; first frame after each dial
  ended = 2,      ///< u64 seq, then encode(Outcome) as one string: the same bytes as in the spool
  duty_done = 3,  ///< u64 duty: the worker has left the call ring
  answered = 4,   ///< TaskAnswer; a coroutine worker's place is free with it
  // daemon -> worker
  start = 10,  ///< StartOrder, with 0 or 4 descriptors: stdin, stdout, stderr, alive pipe; or 2: stdin, alive
               ///< pipe
  cancel = 11,  ///< u64 job, double kill_after_s: TERM to the tree, KILL after it; the end is `cancelled`
  signal = 12,  ///< u64 job, i32 signal: to the main process
  stored = 13,  ///< u64 seq: every record up to it is in the store, its place may be used again
  serve_calls = 15,  ///< CallDuty, with 3 descriptors of its ring, and the caller's stderr if there is one
  pause = 16,        ///< u64 job, u8 paused: STOP to its tree, its time-out stands still; or CONT
  leave = 14,        ///< empty: end when idle and every record is stored
  call = 16,         ///< TaskCall: of a coroutine worker
  end_call = 17,     ///< u32 place, u64 session: unwind the call; it is answered all the same
  // daemon -> zygote
  setup = 20,        ///< ZygoteSetup; first frame
  fork_worker = 21,  ///< WorkerSeat; of a coroutine worker with a descriptor, for what its functions print
  // zygote -> daemon
  ready = 30,         ///< strings: the functions the workers know
  setup_failed = 31,  ///< string: why (a module that cannot be loaded or leaves threads running)
  forked = 32,        ///< string key, i32 pid (0: fork failed, then string why)
  gone = 33,  ///< string key, i32 pid, i32 wait status; sent after every stray child of the worker was killed
              ///< and reaped
};

/// A function of the config that a program answers: see CoProcess.
struct CoProcessSpec {
  std::string name;
  std::vector<std::string> command;
  std::string folder;  ///< absolute: its cwd, where relative paths of the command begin
};

struct ZygoteSetup {
  std::string state_dir;                 ///< absolute
  std::string socket_path;               ///< for TINE_SOCKET in jobs
  std::vector<std::string> modules;      ///< absolute paths of shared objects
  std::uint64_t open_files_soft = 1024;  ///< the soft RLIMIT_NOFILE that jobs get back
  std::vector<CoProcessSpec> functions;  ///< of the config
  std::string memory_groups;             ///< claim_memory_groups()'s folder; "": there is none
};

/// Where a worker sits. `key` names its spool file and output files and is never used twice.
struct WorkerSeat {
  std::string key;
  std::string pool;
  std::uint32_t slot = 0;
  std::uint32_t tasks = 0;  ///< 0: one thing at a time. Else a coroutine worker, and so many calls at once
};

struct WorkerHello {
  std::string key;
  std::string pool;
  std::uint32_t slot = 0;
  std::int32_t pid = 0;
  bool again = false;  ///< it had been connected before: an earlier daemon's worker
};

enum class OrderKind : std::uint8_t { job, callback };

/// One thing to run. The worker must win the spool's offer word (offered -> begun) before it starts it.
struct StartOrder {
  JobId job = 0;
  std::uint32_t attempt = 1;
  OrderKind kind = OrderKind::job;
  std::string spec;  ///< encode(JobSpec). A callback's is a command
  /// The base environment: K=V, each ended by NUL. nullptr: that of the order before it on this link.
  std::shared_ptr<const std::string> environment;
  std::string stdin_bytes;       ///< a callback's input; empty for a job
  std::uint8_t descriptors = 0;  ///< how many ride with this frame: 0, 2 (stdin, alive) or 4
  std::uint32_t place = 0;       ///< whose offer word it has; nothing else sits there
};

/// A call that is not stored, for a coroutine worker.
struct TaskCall {
  std::uint32_t place = 0;    ///< as an order's
  std::uint64_t session = 0;  ///< whose call it is
  std::uint64_t index = 0;    ///< of the session's calls
  std::string function;
  std::string text;      ///< the one argument, as JSON
  bool is_text = false;  ///< no JSON, but the string itself
  bool is_star = false;  ///< the array of all arguments
};

/// What a call came to: `value` with its JSON, or `error` with encode_error()'s bytes.
struct TaskAnswer {
  std::uint32_t place = 0;
  std::uint64_t session = 0;
  std::uint64_t index = 0;
  bool is_error = false;
  std::string bytes;
};

std::string encode(const ZygoteSetup& setup);
std::string encode(const WorkerSeat& seat);
std::string encode(const WorkerHello& hello);
std::string encode(const StartOrder& order);
std::string encode(const TaskCall& call);
std::string encode(const TaskAnswer& answer);
bool decode(std::string_view bytes, ZygoteSetup& setup);
bool decode(std::string_view bytes, WorkerSeat& seat);
bool decode(std::string_view bytes, WorkerHello& hello);
bool decode(std::string_view bytes, StartOrder& order);
bool decode(std::string_view bytes, TaskCall& call);
bool decode(std::string_view bytes, TaskAnswer& answer);

/// Header and payload as they go over the wire.
std::string frame(FrameType type, std::string_view payload);
inline constexpr std::size_t frame_header_bytes = 5;
inline constexpr std::size_t frame_payload_bytes_max = 32u << 20;

}  // namespace tine
