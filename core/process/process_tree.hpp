#pragma once
#include <sys/types.h>

#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/job/job.hpp"

/// The processes below one, and their end. Nothing here ever signals the calling process.
namespace tine {

/// From now on orphans below this process become its children, however deep they forked or whatever session
/// they are in.
Status become_subreaper();

/// The children of a process, of all its threads. Empty if there is none such.
std::vector<pid_t> children_of(pid_t pid);

/// All processes below `pid`, parents before their children. A snapshot: those that fork meanwhile may be
/// missing.
std::vector<pid_t> descendants_of(pid_t pid);

/// A child that outlives what this process runs: descendants_of(), signal_descendants() and kill_strays() of
/// this process pass it over, and what is below it, until it is forgotten.
void keep_child(pid_t pid);
void forget_child(pid_t pid);

/// Sends `signal` to every process below `pid`, not to `pid` itself.
void signal_descendants(pid_t pid, int signal);

/// Sends `signal` to `pid` and every process below it; `pid` must be a child of the caller that was not
/// reaped yet.
void signal_tree(pid_t pid, int signal);

/// SIGKILLs and reaps every child of this process and all below them, until there is none, but for `spared`
/// children and what is below those. One system call when there is none and nothing is spared.
void kill_strays(const std::vector<pid_t>& spared = {});

/// A session of this boot, named for good by when its leader was born: between two looks at
/// ticks_after_boot(). {}: none.
struct SessionId {
  pid_t leader = 0;
  std::uint64_t born_from = 0, born_to = 0;
};

/// SIGKILLs every process whose environment has exactly TINE_SOCKET=`socket_path` and TINE_JOB_ID=`job`, and
/// every one of this session, until none is found (at most two seconds). For a job whose
/// worker and zygote are both gone. Who cleared its environment and left the session escapes.
void kill_by_token(const std::string& socket_path, JobId job, const SessionId& session = {});

/// SIGKILLs and reaps the children of this process but `spared`, and all below them, until there is none: at
/// most two seconds, unlike kill_strays(), which waits for as long as they take.
void kill_orphans(const std::vector<pid_t>& spared);

}  // namespace tine
