#include "ipc/wire_text.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <nlohmann/json.hpp>

namespace tine::ipc {
namespace {

TEST_CASE("object text: is the JSON that it says, whatever stands in it") {
  std::string json = "before";
  ObjectText object(json);
  object.text("t\"1", "a\"b\\c\n\x01 é");
  object.text("cut", "a\xff");
  object.wire("bytes", "\xff\xfe");
  object.integer("i", std::numeric_limits<std::int64_t>::min());
  object.number("whole", 2);
  object.number("part", 0.1);
  object.number("none", std::numeric_limits<double>::infinity());
  object.null("n");
  object.json("raw", "{\"b\": [1,\n2], \"a\": null}");
  object.json("broken", "{");
  ObjectText inner(object.member("inner"));
  inner.end();
  object.end();

  REQUIRE(json.starts_with("before{"));
  CHECK(json.find('\n') == std::string::npos);
  const auto read = nlohmann::ordered_json::parse(json.substr(6));
  CHECK(read["t\"1"] == "a\"b\\c\n\x01 é");
  CHECK(read["cut"] == "a\xef\xbf\xbd");
  CHECK(read["bytes"]["base64"] == "//4=");
  CHECK(read["i"] == std::numeric_limits<std::int64_t>::min());
  CHECK(read["whole"].is_number_float());
  CHECK(read["whole"] == 2.0);
  CHECK(read["part"] == 0.1);
  CHECK(read["none"].is_null());
  CHECK(read["n"].is_null());
  CHECK(read["raw"].dump() == "{\"b\":[1,2],\"a\":null}");
  CHECK(read["broken"].is_null());
  CHECK(read["inner"].empty());
}

TEST_CASE("object text: is written as nlohmann-json writes it") {
  std::string every;
  for (char c = 1; c < 127; ++c) every += c;
  for (const double number : {0.0, 1e-4, 0.001234, 1e5, 1.5e300, 123456.789}) {
    std::string json;
    ObjectText object(json);
    object.text("text", every);
    object.number("number", number);
    object.end();
    CHECK(json == nlohmann::ordered_json{{"text", every}, {"number", number}}.dump());
  }
}

}  // namespace
}  // namespace tine::ipc
