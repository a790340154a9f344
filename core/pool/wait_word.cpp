#include "core/pool/wait_word.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

namespace tine {
namespace {

static_assert(sizeof(std::atomic<std::uint32_t>) == 4 && std::atomic<std::uint32_t>::is_always_lock_free);

long futex(const std::atomic<std::uint32_t>& word, int operation, WordScope scope, std::uint32_t value,
           const timespec* deadline) {
  if (scope == WordScope::process) operation |= FUTEX_PRIVATE_FLAG;
  return ::syscall(SYS_futex, &word, operation, value, deadline, nullptr, FUTEX_BITSET_MATCH_ANY);
}

}  // namespace

bool wait_word(const std::atomic<std::uint32_t>& word, std::uint32_t expected, WordScope scope,
               std::chrono::steady_clock::time_point deadline) {
  timespec until{};
  if (deadline != no_deadline) {
    // The bitset form takes an absolute time, of CLOCK_MONOTONIC, which is steady_clock's.
    const auto since = deadline.time_since_epoch();
    const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
    if (seconds.count() < 0) return false;
    until.tv_sec = static_cast<time_t>(seconds.count());
    until.tv_nsec = static_cast<long>(std::chrono::nanoseconds(since - seconds).count());
  }
  const long failed =
      futex(word, FUTEX_WAIT_BITSET, scope, expected, deadline == no_deadline ? nullptr : &until);
  return failed == 0 || errno != ETIMEDOUT;
}

int wake_word(const std::atomic<std::uint32_t>& word, int waiters, WordScope scope) {
  return static_cast<int>(futex(word, FUTEX_WAKE, scope, static_cast<std::uint32_t>(waiters), nullptr));
}

}  // namespace tine
