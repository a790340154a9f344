#pragma once

/// libc's blocking calls, defined once more in front of libc: inside of a task of this thread's scheduler
/// they wait by switching to other tasks, everywhere else they are libc's own (dlsym RTLD_NEXT). Which, and
/// what cannot give way: <tine/coroutine.hpp>.
///
/// They must stand before libc in the order of lookup and be seen by every shared library: linked whole into
/// an executable with -rdynamic (the target tine::coroutine does both), never into a static one, where there
/// is no next.
///
/// Descriptors keep their flags, which belong to all who share the open file: sockets are asked with
/// MSG_DONTWAIT, other descriptors by poll() just before the call; only connect() makes its socket
/// non-blocking for the moment of the call.
namespace tine {

/// Helper threads for getaddrinfo at once; more calls wait for one.
inline constexpr int resolver_threads_max = 16;

}  // namespace tine
