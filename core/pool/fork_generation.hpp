#pragma once
#include <cstdint>

namespace tine {

/// How many forks lie between this process and the first one that asked. Without a system call, so that every
/// use of an object can see whether it is a fork's copy of it.
std::uint64_t fork_generation();

}  // namespace tine
