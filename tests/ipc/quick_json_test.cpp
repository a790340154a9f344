#include "ipc/quick_json.hpp"

#include <doctest/doctest.h>

#include "core/base/limits.hpp"

using namespace tine;
using namespace tine::ipc;

TEST_CASE("quick JSON: is what the strict reader makes of it, numbers with their kinds") {
  for (const char* text : {"null",
                           " true ",
                           "false",
                           "0",
                           "-0",
                           "-1",
                           "9223372036854775807",
                           "9223372036854775808",
                           "18446744073709551615",
                           "-9223372036854775808",
                           "1.5",
                           "1e3",
                           "-0.0",
                           "\"\"",
                           R"("a\"\\\/\b\f\n\r\té\u0000")",
                           R"("😀")",
                           "[]",
                           "{}",
                           R"([1,[2,{"a":[]}],"b"])",
                           R"({"b":1,"a":{"c":null},"b":2})"}) {
    CAPTURE(std::string(text));
    const auto quick = read_quickly(text);
    REQUIRE(quick);
    const auto strict = Json::parse(text);
    CHECK(quick->dump() == strict.dump());
    CHECK(quick->is_number_unsigned() == (strict.is_number_unsigned() || std::string_view(text) == "-0"));
    CHECK(quick->is_number_float() == strict.is_number_float());
  }
}

TEST_CASE("quick JSON: long texts too, and short ones after them") {
  const std::string text(1u << 19, 'a');
  CHECK(*read_quickly("\"" + text + "\"") == text);
  CHECK(*read_quickly("[1]") == Json::array({1}));
  CHECK_FALSE(read_quickly("\"" + text + text + "\""));  // the strict one takes less memory
}

TEST_CASE("quick JSON: leaves to the strict reader what is wrong, too deep or beyond 64 bits") {
  const std::string deepest(limits::json_depth_max, '[');
  const std::string closed(limits::json_depth_max, ']');
  CHECK(read_quickly(deepest + closed));
  CHECK_FALSE(read_quickly("[" + deepest + closed + "]"));
  for (const std::string text : {"",
                                 " ",
                                 "{",
                                 "[1,]",
                                 "{\"a\":1,}",
                                 "01",
                                 "1.",
                                 ".5",
                                 "+1",
                                 "nul",
                                 "NaN",
                                 "'a'",
                                 "\"\t\"",
                                 "\"\xff\"",
                                 "\"\xc0\x80\"",
                                 R"("\ud800")",
                                 R"("\x")",
                                 "1 2",
                                 "18446744073709551616",
                                 "1e400"}) {
    CAPTURE(std::string(text));
    CHECK_FALSE(read_quickly(text));
  }
  CHECK_FALSE(read_quickly(std::string_view("1\0", 2)));
}
