#include "core/base/text.hpp"

#include <doctest/doctest.h>

namespace tine {
namespace {

TEST_CASE("utf-8: takes the ends of each length") {
  CHECK(is_utf8(""));
  CHECK(is_utf8("plain"));
  CHECK(is_utf8("\xC2\x80 \xDF\xBF \xE0\xA0\x80 \xEF\xBF\xBF \xF0\x90\x80\x80 \xF4\x8F\xBF\xBF"));
}

TEST_CASE("utf-8: refuses overlong forms, surrogates, what is cut off and what is too high") {
  for (const char* text :
       {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xC2", "\xE2\x82", "\xF0\x9F\x98", "\xFF"}) {
    CAPTURE(text);
    CHECK_FALSE(is_utf8(text));
  }
}

TEST_CASE("utf-8: one wrong byte is seen wherever it stands among ASCII") {
  const std::string text(21, 'a');
  CHECK(is_utf8(text));
  for (std::size_t at = 0; at < text.size(); ++at) {
    CAPTURE(at);
    std::string wrong = text;
    wrong[at] = '\xFF';
    CHECK_FALSE(is_utf8(wrong));
    CHECK(is_utf8(text.substr(0, at) + "\xC3\xA9" + text.substr(at)));
  }
}

TEST_CASE("base64: what was encoded comes back, whatever the length") {
  CHECK(base64_encode("") == "");
  CHECK(base64_encode("f") == "Zg==");
  CHECK(base64_encode("fo") == "Zm8=");
  CHECK(base64_encode("foo") == "Zm9v");
  std::string bytes;
  for (int i = 0; i < 256; ++i) {
    CHECK(*base64_decode(base64_encode(bytes)) == bytes);
    bytes += static_cast<char>(i);
  }
}

TEST_CASE("base64: names the offset of the first wrong byte") {
  CHECK_FALSE(base64_decode("Zg="));
  CHECK_FALSE(base64_decode("Zg==Zg=="));
  const auto decoded = base64_decode("Zm9vZm!v");
  REQUIRE_FALSE(decoded);
  CHECK(decoded.error().context.find("6") != std::string::npos);
}

TEST_CASE("glob: knows *, ? and [...]") {
  CHECK(glob_matches("build-*", "build-7"));
  CHECK(glob_matches("a?c", "abc"));
  CHECK(glob_matches("[ab]x", "bx"));
  CHECK_FALSE(glob_matches("build-*", "rebuild-7"));
  CHECK_FALSE(glob_matches("a?c", "ac"));
}

}  // namespace
}  // namespace tine
