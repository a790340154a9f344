#include "core/pool/functions.hpp"

#include <doctest/doctest.h>

#include <chrono>

namespace tine {
namespace {

CallResult call(const char* name, const char* args) {
  static const Functions functions = Functions::with_built_ins();
  const auto* function = functions.find(name);
  REQUIRE(function);
  return (*function)(args);
}

TEST_CASE("function echo: gives back its arguments") {
  CHECK(call("echo", R"([1,"a",{"k":null}])").result_json == R"([1,"a",{"k":null}])");
  CHECK(call("echo", "[]").error_type == "");
}

TEST_CASE("function sleep: takes its time and gives back null") {
  const auto before = std::chrono::steady_clock::now();
  CHECK(call("sleep", "[0.05]").result_json == "null");
  CHECK(std::chrono::steady_clock::now() - before >= std::chrono::milliseconds(50));
  CHECK(call("sleep", "[0]").result_json == "null");
}

TEST_CASE("function sleep: refuses what is no time") {
  for (const char* args : {"[]", "[1,2]", R"(["1"])", "[null]", "[-1]", "[1e300]"}) {
    CAPTURE(args);
    CHECK(call("sleep", args).error_type != "");
  }
}

TEST_CASE("functions: a name is taken once") {
  auto functions = Functions::with_built_ins();
  const auto foo = [](const std::string&) { return CallResult{"1", "", ""}; };
  CHECK(functions.add("foo", foo));
  CHECK_FALSE(functions.add("foo", foo));
  CHECK_FALSE(functions.add("echo", foo));
  CHECK(functions.names() == std::vector<std::string>{"echo", "foo", "sleep"});
  CHECK(functions.find("bar") == nullptr);
}

}  // namespace
}  // namespace tine
