#include "core/shared/futex.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

namespace tine::shared {

Clock::time_point sooner(const Deadline& deadline, std::chrono::milliseconds slice) {
  const auto end = Clock::now() + slice;
  return deadline ? std::min(*deadline, end) : end;
}

timespec to_timespec(Clock::time_point time) {
  const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
  return {static_cast<time_t>(std::max<long long>(ns, 0) / 1'000'000'000),
          static_cast<long>(std::max<long long>(ns, 0) % 1'000'000'000)};
}

void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t seen, Clock::time_point until) {
  const auto end = to_timespec(until);
  ::syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, seen, &end, nullptr, FUTEX_BITSET_MATCH_ANY);
}

int futex_wake(std::atomic<std::uint32_t>& word, int count) {
  return static_cast<int>(::syscall(SYS_futex, &word, FUTEX_WAKE, count, nullptr, nullptr, 0));
}

}  // namespace tine::shared
