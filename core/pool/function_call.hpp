#pragma once
#include "core/job/job.hpp"
#include "core/pool/functions.hpp"
#include "core/pool/spool.hpp"

namespace tine {

/// A function's surroundings for one call.
struct CallPlace {
  std::vector<std::string> environment;
  int in = -1, out = -1, err = -1;  ///< become 0, 1 and 2 for the call
  int alive = -1;                   ///< the caller's pipe; -1: none
};

/// Runs a function in this process, in the job's cwd, umask, environment and descriptors, and puts all back.
/// What it forked is killed. `outcome` comes with the identity of the job and gets the end. A time-out, or
/// the caller's death, ends this process in the middle of the call: a signal handler commits a record that
/// was prepared beforehand and leaves. So it works without the daemon.
void call_function(const Functions::Function& function, const JobSpec& spec, const CallPlace& place,
                   Spool& spool, Outcome& outcome);

}  // namespace tine
