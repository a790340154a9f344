#include "core/shared/element.hpp"

#include <doctest/doctest.h>

namespace tine::shared {
namespace {

struct Row {
  char code;
  std::size_t bytes;
  const char *least, *greatest, *below, *above;
};
constexpr Row rows[] = {
    {'b', 1, "-128", "127", "-129", "128"},
    {'B', 1, "0", "255", "-1", "256"},
    {'h', 2, "-32768", "32767", "-32769", "32768"},
    {'H', 2, "0", "65535", "-1", "65536"},
    {'i', 4, "-2147483648", "2147483647", "-2147483649", "2147483648"},
    {'I', 4, "0", "4294967295", "-1", "4294967296"},
    {'l', 8, "-9223372036854775808", "9223372036854775807", "-9223372036854775809", "9223372036854775808"},
    {'L', 8, "0", "18446744073709551615", "-1", "18446744073709551616"},
    {'f', 4, "-3.4028235e+38", "3.4028235e+38", "-3.5e+38", "3.5e+38"},
    {'d', 8, "-1.7976931348623157e+308", "1.7976931348623157e+308", "-1.8e+308", "1.8e+308"},
};

TEST_CASE("element: least and greatest read back, one past them is refused with the value and the range") {
  for (const auto& row : rows) {
    CAPTURE(row.code);
    CHECK(element_bytes(row.code) == row.bytes);
    for (const char* text : {row.least, row.greatest}) {
      const auto element = parse_element(row.code, text);
      REQUIRE(element);
      CHECK(format_element(row.code, *element) == text);
      alignas(8) char place[8] = {};
      store_element(row.code, place, *element);
      CHECK(format_element(row.code, load_element(row.code, place)) == text);
    }
    for (const char* text : {row.below, row.above, "", "x", "1x", "1 ", "0x10"}) {
      const auto element = parse_element(row.code, text);
      REQUIRE_FALSE(element);
      CHECK((element.error().code == Errc::usage));
      CHECK(element.error().message().find(text) != std::string::npos);
      CHECK(element.error().message().find(row.code == 'f' || row.code == 'd' ? "number" : row.greatest) !=
            std::string::npos);
    }
  }
}

TEST_CASE("element: c is one byte, u is one character") {
  CHECK(element_bytes('c') == 1);
  CHECK(element_bytes('u') == 4);
  CHECK(format_element('c', *parse_element('c', "\xff")) == "\xff");
  CHECK_FALSE(parse_element('c', "ab"));
  CHECK_FALSE(parse_element('c', ""));
  for (const char* text : {"a", "ä", "€", "😀"}) CHECK(format_element('u', *parse_element('u', text)) == text);
  CHECK_FALSE(parse_element('u', "ab"));
  CHECK_FALSE(parse_element('u', "\xff"));
}

TEST_CASE("element: f and d print the shortest text that reads back") {
  CHECK(format_element('f', *parse_element('f', "0.1")) == "0.1");
  CHECK(format_element('d', *parse_element('d', "0.1")) == "0.1");
  CHECK(format_element('d', *parse_element('d', "1e3")) == "1000");
}

TEST_CASE("element: a sum that does not fit is refused") {
  const auto sum = [](char code, const char* a, const char* b) {
    return add_elements(code, *parse_element(code, a), *parse_element(code, b));
  };
  CHECK(format_element('b', *sum('b', "100", "27")) == "127");
  CHECK_FALSE(sum('b', "100", "28"));
  CHECK_FALSE(sum('l', "9223372036854775807", "1"));
  CHECK_FALSE(sum('L', "18446744073709551615", "1"));
  CHECK_FALSE(sum('c', "a", "b"));
  CHECK(format_element('f', *sum('f', "0.5", "0.25")) == "0.75");
}

TEST_CASE("element: what is no code has no size") {
  CHECK(element_bytes('x') == 0);
  CHECK(element_bytes('\0') == 0);
}

}  // namespace
}  // namespace tine::shared
