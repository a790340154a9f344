#include "core/job/conditions.hpp"

#include <doctest/doctest.h>

namespace tine {
namespace {

using Indexes = std::vector<std::uint32_t>;

TEST_CASE("array: ranges, steps, lists and the bound") {
  CHECK(parse_array("0-3")->indexes == Indexes{0, 1, 2, 3});
  CHECK(parse_array("0-9:3")->indexes == Indexes{0, 3, 6, 9});
  CHECK(parse_array("7")->indexes == Indexes{7});
  CHECK(parse_array("5,1-2,2")->indexes == Indexes{1, 2, 5});
  CHECK(parse_array("0-3")->at_once_max == 0);
  CHECK(parse_array("0-99:2%10")->at_once_max == 10);
  CHECK(parse_array("0-99:2%10")->indexes.size() == 50);
}

TEST_CASE("array: what is none is refused, and says what is allowed") {
  for (const char* text : {"", "a", "3-1", "0-", "-1", "0-3:0", "0-3%0", "0-3%", "0-3:", "0-1000000", "1,,2",
                           "0-99999999999999999999", "0-3%-1", "0--3"}) {
    CAPTURE(text);
    const auto array = parse_array(text);
    REQUIRE_FALSE(array);
    CHECK(array.error().message().find("allowed: FIRST-LAST[:STEP][%MAX]") != std::string::npos);
  }
}

TEST_CASE("dependencies: Slurm's words, several ids, ranges") {
  const auto list = parse_dependencies("afterok:1:2,afterany:5-7,afternotok:9");
  REQUIRE(list);
  REQUIRE(list->size() == 6);
  CHECK((*list)[0].after == After::ok);
  CHECK((*list)[1].job == 2);
  CHECK((*list)[2].after == After::any);
  CHECK((*list)[4].job == 7);
  CHECK((*list)[5].after == After::not_ok);
}

TEST_CASE("dependencies: what is none is refused") {
  for (const char* text : {"", "afterok", "afterok:", "after:1", "afterok:x", "afterok:0", "afterok:1,",
                           "afterok:1::2", "afterok:1-", "afterok:9-1", "afterok:1-999999999"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_dependencies(text));
  }
  CHECK(parse_ids("3,7,10-12")->size() == 5);
  CHECK_FALSE(parse_ids("3,"));
  CHECK_FALSE(parse_ids("x"));
}

}  // namespace
}  // namespace tine
