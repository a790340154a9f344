#pragma once
#include <sys/types.h>

#include <string>
#include <vector>

#include "core/base/result.hpp"

namespace tine {

/// A command to be executed, as the child needs it. The pointers live until spawn_command returns.
struct Command {
  std::vector<std::string> argv;
  std::vector<std::string> environment;  ///< K=V; PATH in it is where the command is looked for
  std::string workdir;
  mode_t umask = 022;
  int in = -1, out = -1, err = -1;  ///< become 0, 1 and 2; nothing else is handed on
  /// Of private memory, in each process by itself: RLIMIT_DATA, which leaves alone who only reserves
  /// addresses.
  std::uint64_t max_memory_bytes = ~std::uint64_t{0};
  int group = -1;  ///< the cgroup.procs of the cgroup it runs in; -1: the caller's
  int nice = 0;    ///< on top of the caller's
  /// Called in the new process when it leads its session, before it executes anything, so that whoever kills
  /// the caller leaves no session that nobody knows. System calls and plain stores alone: it borrows the
  /// caller's memory.
  void (*on_session)(void* argument) = nullptr;
  void* on_session_argument = nullptr;
  bool dies_with_parent = false;      ///< SIGKILL at the death of the calling thread
  std::uint64_t open_files_soft = 0;  ///< the soft limit of descriptors, 0: as it is
};

/// Why a command did not start: 127 not found, 126 found but not to be run (or its workdir is gone).
struct ExecFailure {
  int exit_code = 126;
  std::string type;  ///< "CommandNotFound", "ExecFailed", "WorkdirGone"
  std::string message;
};

/// Starts a command in a session of its own, signals at their defaults, by vfork: the parent's size costs
/// nothing. Returns after the exec. Ownership: the caller reaps the pid. Errors: `failure` is filled and
/// ECHILD-like pid -1 given back when the child could not exec; an Error for fork itself.
Result<pid_t> spawn_command(const Command& command, ExecFailure& failure);

enum class NewSession { no, yes };
/// Executes this program again (/proc/self/exe) with these arguments, argv[0] included; descriptors 0 to 2 as
/// they are, `kept` too, all others as their close-on-exec flag says.
Result<pid_t> spawn_self(const std::vector<std::string>& argv, const std::vector<int>& kept,
                         NewSession session);

}  // namespace tine
