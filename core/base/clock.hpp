#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/job/job.hpp"

struct timeval;

namespace tine {

Micros now_micros();               ///< CLOCK_REALTIME
std::string rfc3339(Micros time);  ///< "2026-11-23T06:39:00.000001Z"
/// The other way: "2026-11-23T06:39:00Z", a fraction and an offset like +01:00 allowed. Errors: Errc::usage.
Result<Micros> parse_rfc3339(const std::string& text);
double seconds(const timeval& time);
const std::string& boot_id();  ///< of this boot of the machine (/proc/sys/kernel/random/boot_id)
/// In clock ticks after boot; 0: no such process. With pid and boot id it names a process for good.
std::uint64_t process_start_ticks(int pid);
/// Now, in the same unit. No system call.
std::uint64_t ticks_after_boot();

}  // namespace tine
