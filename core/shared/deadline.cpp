#include "core/shared/deadline.hpp"

#include <time.h>

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

}  // namespace tine::shared
