#pragma once
#include "core/base/unique_fd.hpp"
#include "core/pool/worker_loop.hpp"

namespace tine {

/// The life of a coroutine worker: one thread, and each job or call that it is given a task in it, up to
/// seat.tasks at once. Jobs go on without the daemon, their records lie in the spool; calls end with it.
///
/// What functions see is the worker's own: cwd /, its environment, /dev/null as stdin; what they print goes
/// to `prints`. A function that does not give way holds up all others, and the spool's pulse tells whose it
/// is. Returns the exit status; the caller ends the process with _exit.
int run_coroutine_worker(const WorkerContext& context, UniqueFd prints);

}  // namespace tine
