#pragma once

namespace tine {

/// The zygote's life: load the modules, fork a worker whenever the daemon asks, reap them, and kill what a
/// dead worker leaves behind. One thread, so that a fork is safe whatever threads the daemon has. It outlives
/// its daemon until its last worker has gone. `control` is its socket to the daemon. Returns the exit status;
/// a forked worker returns here too, with its own: end the process with _exit.
int run_zygote(int control);

}  // namespace tine
