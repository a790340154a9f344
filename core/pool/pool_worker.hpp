#pragma once
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "core/pool/call_ring.hpp"

namespace tine {

/// What a pool's calls name as CallRequest::code: decodes the arguments, calls `function`, and appends the
/// encoded result. Whatever it throws becomes the call's error.
using Trampoline = void (*)(std::uintptr_t function, std::string_view arguments, std::string& result);

/// A pool worker's life: take calls until it is told to leave. Dies with its zygote. `seat`: from 0.
/// To be called in a fresh fork of the zygote; the caller ends the process with _exit.
void run_pool_worker(CallRing& ring, std::uint32_t seat, pid_t zygote);

}  // namespace tine
