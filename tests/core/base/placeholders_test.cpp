#include "core/base/placeholders.hpp"

#include <doctest/doctest.h>

using tine::fill_placeholders;
using Words = std::vector<std::string>;

TEST_CASE("placeholders: each as GNU parallel has it") {
  const Words all = {"{}", "{.}", "{/}", "{//}", "{/.}", "{#}"};

  CHECK(fill_placeholders(all, "a/b.c/d.tar.gz", 7) ==
        Words{"a/b.c/d.tar.gz", "a/b.c/d.tar", "d.tar.gz", "a/b.c", "d.tar", "7"});
  CHECK(fill_placeholders(all, "plain", 1) == Words{"plain", "plain", "plain", ".", "plain", "1"});
  CHECK(fill_placeholders(all, "/x.y", 1) == Words{"/x.y", "/x", "x.y", "/", "x", "1"});
  CHECK(fill_placeholders(all, "a.b/c", 1) == Words{"a.b/c", "a.b/c", "c", "a.b", "c", "1"});
  CHECK(fill_placeholders(all, "a//b/", 1) == Words{"a//b/", "a//b/", "", "a", "", "1"});
  CHECK(fill_placeholders(all, "end.", 1) == Words{"end.", "end.", "end.", ".", "end.", "1"});
  CHECK(fill_placeholders(all, "", 1) == Words{"", "", "", ".", "", "1"});
}

TEST_CASE("placeholders: several in a word, and what only looks like one stays") {
  CHECK(fill_placeholders({"{}{}", "{#}:{/}", "{", "{x}", "}{}"}, "a/b", 3) ==
        Words{"a/ba/b", "3:b", "{", "{x}", "}a/b"});
  CHECK(fill_placeholders({"{{}}"}, "l", 1) == Words{"{l}"});
}

TEST_CASE("placeholders: without one the line is the last word; {#} alone is one") {
  CHECK(fill_placeholders({"echo"}, "a b", 1) == Words{"echo", "a b"});
  CHECK(fill_placeholders({"echo", "{#}"}, "a b", 2) == Words{"echo", "2"});
  CHECK(fill_placeholders({}, "a", 1) == Words{"a"});
}

TEST_CASE("placeholders: a line that holds one is not filled again") {
  CHECK(fill_placeholders({"{}"}, "{#}{}", 5) == Words{"{#}{}"});
}

TEST_CASE("placeholders: whether the number is wanted") {
  CHECK(tine::has_number_placeholder({"echo", "x{#}"}));
  CHECK_FALSE(tine::has_number_placeholder({"echo", "{}", "#"}));
}
