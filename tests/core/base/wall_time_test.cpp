#include "core/base/wall_time.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/clock.hpp"

namespace tine {
namespace {

/// The zone of this test alone.
class Zone {
 public:
  explicit Zone(const char* name) { ::setenv("TZ", name, 1), ::tzset(); }
  ~Zone() { ::unsetenv("TZ"), ::tzset(); }
};

std::string at(const char* text, const char* now) {
  const auto time = parse_wall_time(text, *parse_rfc3339(now));
  return time ? rfc3339(*time) : time.error().message();
}

// Central Europe's rule, written out: no zone files are needed.
constexpr const char* berlin = "CET-1CEST,M3.5.0,M10.5.0/3";

TEST_CASE("wall time: of the day, in the local zone, today or tomorrow") {
  const Zone zone(berlin);
  CHECK(at("18:30", "2026-01-10T12:00:00Z") == "2026-01-10T17:30:00.000000Z");
  CHECK(at("06:00:15", "2026-01-10T12:00:00Z") == "2026-01-11T05:00:15.000000Z");
  CHECK(at("tomorrow 06:00", "2026-01-10T12:00:00Z") == "2026-01-11T05:00:00.000000Z");
  CHECK(at("2026-02-01", "2026-01-10T12:00:00Z") == "2026-01-31T23:00:00.000000Z");
  CHECK(at("2026-02-01 10:00", "2026-01-10T12:00:00Z") == "2026-02-01T09:00:00.000000Z");
  CHECK(at("2026-02-01T10:00:30", "2026-01-10T12:00:00Z") == "2026-02-01T09:00:30.000000Z");
}

TEST_CASE("wall time: daylight saving") {
  const Zone zone(berlin);
  CHECK(at("2026-07-01 10:00", "2026-01-10T12:00:00Z") == "2026-07-01T08:00:00.000000Z");
  // The night in which 02:00 to 03:00 is skipped: a day later by the clock is 23 hours.
  CHECK(at("12:00", "2026-03-28T12:00:00Z") == "2026-03-29T10:00:00.000000Z");
  // The hour that comes twice: its first.
  CHECK(at("2026-10-25 02:30", "2026-10-01T12:00:00Z") == "2026-10-25T00:30:00.000000Z");
}

TEST_CASE("wall time: with a zone of its own, and as seconds") {
  const Zone zone(berlin);
  CHECK(at("2026-02-01T10:00:00Z", "2026-01-10T12:00:00Z") == "2026-02-01T10:00:00.000000Z");
  CHECK(at("2026-02-01T10:00:00-02:00", "2026-01-10T12:00:00Z") == "2026-02-01T12:00:00.000000Z");
  CHECK(at("@0", "2026-01-10T12:00:00Z") == "1970-01-01T00:00:00.000000Z");
  CHECK(at("now", "2026-01-10T12:00:00Z") == "2026-01-10T12:00:00.000000Z");
}

TEST_CASE("wall time: what is none is refused, and says what is allowed") {
  for (const char* text :
       {"", "soon", "25:00", "18:3x", "2026-13-01", "@x", "tomorrow x", "2026-02-01T10:00:00Q"}) {
    CAPTURE(text);
    CHECK(at(text, "2026-01-10T12:00:00Z").find("allowed: 18:30") != std::string::npos);
  }
}

}  // namespace
}  // namespace tine
