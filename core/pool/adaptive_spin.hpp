#pragma once
#include <sched.h>

#include <algorithm>
#include <chrono>

namespace tine {

/// Looks at something again and again for a short time before its owner goes to sleep. The time follows
/// success: twice what was needed; where looking does not help it shrinks to almost nothing, and one look in
/// `probe_every` tries the whole time, to notice when it would. With a single CPU there is no spinning: whom
/// we wait for could not run. For one thread.
class AdaptiveSpin {
 public:
  /// A wake across CPUs costs 20 to 30 us, and a call that finds everybody asleep is four of them: a worker
  /// that looks for less would never learn that the next call comes soon after its caller has the answer.
  static constexpr std::chrono::nanoseconds usual{150'000}, shortest{1'000};
  static constexpr std::chrono::nanoseconds one_wake{25'000};
  static constexpr unsigned probe_every = 64;

  explicit AdaptiveSpin(std::chrono::nanoseconds longest = usual) : longest_(longest), budget_(longest) {}

  template <class Predicate>
  bool until(Predicate&& holds) {
    if (holds()) return true;
    if (!several_cpus()) return false;
    const auto begin = std::chrono::steady_clock::now();
    const auto end = begin + (++tries_ % probe_every == 0 ? longest_ : budget_);
    auto now = begin;
    do {
      for (int i = 0; i < 16; ++i) {
        pause();
        if (holds()) {
          budget_ = std::min(longest_, std::max<std::chrono::nanoseconds>(budget_, now - begin) * 2);
          return true;
        }
      }
      now = std::chrono::steady_clock::now();
      if (now - begin > one_wake) ::sched_yield();  // whom we wait for may have been put on this very CPU
    } while (now < end);
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
  std::chrono::nanoseconds longest_, budget_;
  unsigned tries_ = 0;
};

}  // namespace tine
