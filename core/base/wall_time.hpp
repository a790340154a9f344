#pragma once
#include <string_view>

#include "core/base/result.hpp"
#include "core/job/job.hpp"

namespace tine {

/// A time as a person writes it, in the local time zone (TZ, else the machine's) unless it says otherwise:
/// "now", "18:30", "18:30:15" (today, or tomorrow where that has passed), "tomorrow", "tomorrow 06:00",
/// "2026-11-24", "2026-11-24 18:30[:15]" (a T between them too), RFC 3339 with Z or an offset, "@EPOCH".
/// An hour that daylight saving skips is moved on by it; one that it repeats is the first.
/// Errors: Errc::usage, saying what is allowed.
Result<Micros> parse_wall_time(std::string_view text, Micros now);

}  // namespace tine
