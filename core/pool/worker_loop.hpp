#pragma once
#include "core/pool/functions.hpp"
#include "core/pool/worker_protocol.hpp"

namespace tine {

/// What a worker is born with.
struct WorkerContext {
  WorkerSeat seat;
  const ZygoteSetup& setup;
  const Functions& functions;
};

/// A worker's life: dial the daemon, run what it is given, one at a time, and leave. It is the parent and
/// keeper of its command, and lives on without the daemon until the command has ended and its record lies in
/// the spool. Returns the exit status; the caller ends the process with _exit.
int run_worker(const WorkerContext& context);

}  // namespace tine
