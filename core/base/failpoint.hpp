#pragma once
#include <string_view>

namespace tine {

/// A named place where a test stops the clock. `$TINE_FAILPOINT` says what happens at which:
///   job.stored=kill            SIGKILL to this process (stop: SIGSTOP; exit: _exit(1))
///   store.commit=error:ENOSPC  the call returns that errno, and the caller takes it for its own failure
///   job.stored=kill@3          at the third time this process comes by
///   a=kill,b=stop              several
/// With `$TINE_FAILPOINT_ONCE=FILE` only who can create FILE is hit: one process, one time, and the test sees
/// that it was. Zygote and workers inherit both; a job has its submitter's environment.
/// Returns 0, or the errno to fail with. Built without TINE_FAILPOINTS it is nothing.
#ifdef TINE_FAILPOINTS
int failpoint(std::string_view name);
#else
constexpr int failpoint(std::string_view) { return 0; }
#endif

}  // namespace tine
