#pragma once
#include <functional>

#include "cmd/options.hpp"

namespace tine::cmd {

/// Runs a command in the foreground, in this terminal and process group, below a keeper: a process that
/// `prepare`s (it takes the lock), starts the command, and after it `finish`es. When this process is killed,
/// even with -9, the keeper kills all that the command has started and only then finishes; when the keeper is
/// killed, the command is too. Signals that this process gets are passed on to the command. Returns what to
/// exit with: prepare's code if that is not 0; the command's own, 128+N if signal N ended it, 127 or 126 if
/// it could not be started. One thread only: it forks.
int run_guarded(const Words& command, const std::function<int()>& prepare,
                const std::function<void()>& finish);

}  // namespace tine::cmd
