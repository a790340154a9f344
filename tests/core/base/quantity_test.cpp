#include "core/base/quantity.hpp"

#include <doctest/doctest.h>

namespace tine {
namespace {

TEST_CASE("duration: knows its units, and a bare number is seconds") {
  CHECK(*parse_duration_s("500ms") == doctest::Approx(0.5));
  CHECK(*parse_duration_s("30s") == 30);
  CHECK(*parse_duration_s("5m") == 300);
  CHECK(*parse_duration_s("2h") == 7200);
  CHECK(*parse_duration_s("1d") == 86400);
  CHECK(*parse_duration_s("1.5") == 1.5);
  CHECK(*parse_duration_s("0") == 0);
}

TEST_CASE("duration: refuses what is none, and says what is allowed") {
  for (const char* text : {"", "-1", "+1", "1e3", "inf", "nan", "s", "1x", "1 s", "1.2.3", ".", "3651d"}) {
    CAPTURE(text);
    const auto seconds = parse_duration_s(text);
    REQUIRE_FALSE(seconds);
    CHECK((seconds.error().code == Errc::usage));
    CHECK(seconds.error().context.find("500ms") != std::string::npos);
  }
  CHECK(parse_duration_s("3650d"));
}

TEST_CASE("size: counts in powers of 1024") {
  CHECK(*parse_size_bytes("17") == 17);
  CHECK(*parse_size_bytes("64K") == 65536);
  CHECK(*parse_size_bytes("10M") == 10u << 20);
  CHECK(*parse_size_bytes("2G") == 2ull << 30);
  CHECK(*parse_size_bytes("0.5K") == 512);
}

TEST_CASE("size: refuses what is none") {
  for (const char* text : {"", "-1", "K", "1KB", "1X", "99999999999G"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_size_bytes(text));
  }
}

TEST_CASE("integer: both of its limits are allowed, one beyond is not") {
  CHECK(*parse_integer("-3", -3, 5) == -3);
  CHECK(*parse_integer("5", -3, 5) == 5);
  CHECK_FALSE(parse_integer("-4", -3, 5));
  CHECK_FALSE(parse_integer("6", -3, 5));
  for (const char* text : {"", "1.0", "1x", " 1", "99999999999999999999"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_integer(text, -3, 5));
  }
}

}  // namespace
}  // namespace tine
