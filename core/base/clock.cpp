#include "core/base/clock.hpp"

#include <fcntl.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "core/base/file.hpp"

namespace tine {

Micros now_micros() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<Micros>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000;
}

std::string rfc3339(Micros time) {
  auto seconds = static_cast<time_t>(time / 1'000'000);
  auto micros = static_cast<int>(time % 1'000'000);
  if (micros < 0) micros += 1'000'000, --seconds;
  tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[64];
  const int size =
      std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", parts.tm_year + 1900,
                    parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, micros);
  return std::string(text, size > 0 ? static_cast<std::size_t>(size) : 0);
}

Result<Micros> parse_rfc3339(const std::string& text) {
  const auto wrong =
      make_error(Errc::usage, "\"" + text + "\" is no time; allowed: RFC 3339, as 2026-11-23T06:39:00Z");
  tm parts{};
  const char* rest = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (rest == nullptr) return wrong;
  Micros micros = static_cast<Micros>(::timegm(&parts)) * 1'000'000;
  if (*rest == '.') {
    Micros unit = 100'000;
    for (++rest; *rest >= '0' && *rest <= '9'; ++rest, unit /= 10) micros += unit * (*rest - '0');
  }
  if (std::strcmp(rest, "Z") == 0) return micros;
  int hours = 0, minutes = 0, used = 0;
  if ((*rest != '+' && *rest != '-') || std::sscanf(rest + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 ||
      used != 5 || rest[6] != '\0')
    return wrong;
  const Micros offset = (hours * 60 + minutes) * Micros{60'000'000};
  return *rest == '+' ? micros - offset : micros + offset;
}

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

const std::string& boot_id() {
  static const std::string id = [] {
    auto text = read_file("/proc/sys/kernel/random/boot_id");
    if (!text) return std::string("unknown");
    while (!text->empty() && text->back() == '\n') text->pop_back();
    return *text;
  }();
  return id;
}

std::uint64_t ticks_after_boot() {
  constexpr long ticks_per_second = 100;  // USER_HZ: the same on all that Linux runs on but alpha and ia64
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * ticks_per_second +
         static_cast<std::uint64_t>(now.tv_nsec) / (1'000'000'000 / ticks_per_second);
}

std::uint64_t process_start_ticks(int pid) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/stat", pid);
  const UniqueFd fd(::open(path, O_RDONLY | O_CLOEXEC));
  if (!fd) return 0;
  char text[1024];
  const ssize_t size = ::read(fd.get(), text, sizeof text - 1);
  if (size <= 0) return 0;
  text[size] = '\0';
  // The name may hold spaces and brackets: fields are counted from its last ')'. Field 3 is the state, 22 the
  // start.
  const char* rest = std::strrchr(text, ')');
  if (rest == nullptr) return 0;
  ++rest;
  for (int field = 3; field <= 22; ++field) {
    rest = std::strchr(rest, ' ');
    if (rest == nullptr) return 0;
    ++rest;
    // A zombie has ended: whoever asks wants to know whether it still runs.
    if (field == 3 && (*rest == 'Z' || *rest == 'X')) return 0;
  }
  return std::strtoull(rest, nullptr, 10);
}

}  // namespace tine
