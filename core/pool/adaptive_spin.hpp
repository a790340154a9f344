#pragma once
#include <sched.h>

#include <algorithm>
#include <chrono>

namespace tine {

/// Looks at something again and again for a short time before its owner goes to sleep. The time follows
/// success: it shrinks to almost nothing where looking does not help, and one look in `probe_every` tries the
/// whole time, to notice when it would. With a single CPU there is no spinning: whom we wait for could not
/// run. For one thread.
class AdaptiveSpin {
 public:
  /// A wake across CPUs costs 20 to 25 us; up to twice that is worth looking.
  static constexpr std::chrono::nanoseconds longest{50'000}, shortest{1'000};
  static constexpr unsigned probe_every = 64;

  template <class Predicate>
  bool until(Predicate&& holds) {
    if (holds()) return true;
    if (!several_cpus()) return false;
    const auto budget = ++tries_ % probe_every == 0 ? longest : budget_;
    const auto end = std::chrono::steady_clock::now() + budget;
    do {
      for (int i = 0; i < 16; ++i) {
        pause();
        if (holds()) {
          budget_ = std::min(longest, budget_ * 2);
          return true;
        }
      }
    } while (std::chrono::steady_clock::now() < end);
    budget_ = std::max(shortest, budget_ / 2);
    return false;
  }

 private:
  static void pause() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }
  static bool several_cpus() {
    static const bool several = [] {
      cpu_set_t mine;
      return ::sched_getaffinity(0, sizeof mine, &mine) != 0 || CPU_COUNT(&mine) > 1;
    }();
    return several;
  }
  std::chrono::nanoseconds budget_ = longest;
  unsigned tries_ = 0;
};

}  // namespace tine
