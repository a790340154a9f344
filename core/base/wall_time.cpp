#include "core/base/wall_time.hpp"

#include <time.h>

#include <string>

#include "core/base/clock.hpp"
#include "core/base/quantity.hpp"

namespace tine {
namespace {

constexpr Micros second = 1'000'000;

/// Sets the parts that `format` names; false: the text is something else.
bool reads_as(const std::string& text, const char* format, tm& parts) {
  tm read = parts;
  const char* rest = ::strptime(text.c_str(), format, &read);
  if (rest == nullptr || *rest != '\0') return false;
  parts = read;
  return true;
}

bool reads_as_time_of_day(const std::string& text, tm& parts) {
  parts.tm_sec = 0;
  return reads_as(text, "%H:%M:%S", parts) || reads_as(text, "%H:%M", parts);
}

bool reads_as_date(const std::string& text, tm& parts) {
  parts.tm_hour = parts.tm_min = parts.tm_sec = 0;
  for (const char* format :
       {"%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d"})
    if (reads_as(text, format, parts)) return true;
  return false;
}

/// mktime of the first of two equal local times.
Micros local(tm parts) {
  tm standard = parts;
  parts.tm_isdst = 1;
  const time_t in_summer = ::mktime(&parts);
  const bool is_summer = parts.tm_isdst > 0;
  standard.tm_isdst = -1;
  const time_t any = ::mktime(&standard);
  return static_cast<Micros>(is_summer && in_summer < any ? in_summer : any) * second;
}

}  // namespace

Result<Micros> parse_wall_time(std::string_view view, Micros now) {
  const std::string text(view);
  if (text == "now") return now;
  if (text.starts_with('@'))
    if (const auto epoch = parse_integer(view.substr(1), 0, INT64_C(253402300799)); epoch)
      return *epoch * second;
  if (auto exact = parse_rfc3339(text); exact) return exact;

  const time_t now_s = static_cast<time_t>(now / second);
  tm today{};
  ::localtime_r(&now_s, &today);
  tm parts = today;
  if (reads_as_date(text, parts)) return local(parts);
  parts = today;
  if (reads_as_time_of_day(text, parts)) {
    const Micros at = local(parts);
    // The next such time: in local days, which daylight saving makes longer or shorter.
    if (at > now) return at;
    ++parts.tm_mday;
    return local(parts);
  }
  parts = today;
  ++parts.tm_mday;
  if (text == "tomorrow") return parts.tm_hour = parts.tm_min = parts.tm_sec = 0, local(parts);
  if (text.starts_with("tomorrow ") && reads_as_time_of_day(text.substr(9), parts)) return local(parts);
  return make_error(Errc::usage,
                    "\"" + text +
                        "\" is no time; allowed: 18:30, tomorrow 06:00, 2026-11-24 18:30 (local), "
                        "2026-11-24T18:30:00Z, @EPOCH, now");
}

}  // namespace tine
