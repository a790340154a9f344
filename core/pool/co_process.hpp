#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/unique_fd.hpp"
#include "core/pool/functions.hpp"
#include "core/pool/worker_protocol.hpp"
#include "core/process/spawn.hpp"

namespace tine {

/// What a co-process says to the call with this id. Errors: what is wrong with the line, for people; then
/// nobody knows what its later lines would be answers to.
Result<CallResult> parse_reply(std::string_view line, std::uint64_t id);

/// A function that another program answers, a line of JSON each way: {"id":1,"args":[...]} to its stdin,
/// {"id":1,"result":...} or {"id":1,"error":{"type":...,"message":...}} from its stdout. The program is
/// started at the first call and lives as long as the worker that called; it sees none of the call's cwd,
/// environment and stdin. What it writes to stderr, since its last call too, goes to descriptor 2 of the
/// call.
///
/// The call that it held when it died fails with WorkerDied, and the next call starts it again; so it is
/// after a line that is no answer, with BadReply. It is then killed with all below it, as at the worker's
/// death.
class CoProcess {
 public:
  /// `environment`: K=V; `open_files_soft`: as commands get it.
  CoProcess(CoProcessSpec spec, std::vector<std::string> environment, std::uint64_t open_files_soft);
  ~CoProcess() { stop(); }
  CoProcess(const CoProcess&) = delete;
  CoProcess& operator=(const CoProcess&) = delete;

  /// One at a time: in a process that has other fibers, too, a second one fails.
  CallResult call(const std::string& args_json);

 private:
  bool start(CallResult& why_not);
  void stop();  ///< and every stray of this process with it
  bool has_ended(int within_ms) const;
  CallResult converse();
  bool write_some();
  bool read_some();
  void pump_errors();
  CallResult died();
  CallResult answer(std::string line);

  CoProcessSpec spec_;
  std::vector<std::string> environment_;
  std::uint64_t open_files_soft_;
  mode_t umask_;
  pid_t pid_ = 0;            ///< 0: it does not run
  UniqueFd pidfd_;           ///< readable when it has ended
  UniqueFd in_, out_, err_;  ///< our ends of its 0, 1 and 2
  std::string outgoing_;     ///< of the request
  std::string incoming_;     ///< of replies: what was read and not taken
  std::size_t scanned_ = 0;  ///< bytes of incoming_ without a line end
  std::uint64_t id_ = 0;     ///< of the last request; rises over restarts, too
  bool is_busy_ = false;
};

}  // namespace tine
