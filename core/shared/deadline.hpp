#pragma once
#include <chrono>
#include <optional>

namespace tine::shared {

using Clock = std::chrono::steady_clock;  ///< CLOCK_MONOTONIC: the same in every process of this boot
using Deadline = std::optional<Clock::time_point>;  ///< none: for ever

inline bool has_passed(const Deadline& deadline) { return deadline && Clock::now() >= *deadline; }
/// `slice` from now, or the deadline if that is sooner: nobody sleeps past the death of somebody else for
/// long.
Clock::time_point sooner(const Deadline& deadline, std::chrono::milliseconds slice);
timespec to_timespec(Clock::time_point time);

}  // namespace tine::shared
