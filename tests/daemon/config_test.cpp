#include "daemon/config.hpp"

#include <doctest/doctest.h>

using namespace tine;

namespace {
std::string config_refusal(const char* text) { return parse_config(text, "/x/tined.json").error().message(); }
}  // namespace

TEST_CASE("config: an empty one is the defaults") {
  const auto config = parse_config("{}", "/x/tined.json");
  REQUIRE(config);
  CHECK(config->pools.size() == 1);
  CHECK(config->pools[0].name == "default");
  CHECK(config->drain_timeout_s == 8);
}

TEST_CASE("config: takes comments, and paths below its folder") {
  const auto config = parse_config("{ // why\n \"modules\": [\"libfoo.so\", \"/a/b.so\"]}", "/x/tined.json");
  REQUIRE(config);
  CHECK(config->modules == std::vector<std::string>{"/x/libfoo.so", "/a/b.so"});
}

TEST_CASE("config: says the file, the line, the key and what is allowed") {
  CHECK(config_refusal("{\n\n\"pols\": []}").find("/x/tined.json:3: pols: unknown key; allowed: pools") == 0);
  CHECK(config_refusal("{\"keep_jobs\": -1}").find("keep_jobs: must be a whole number from 1") !=
        std::string::npos);
  CHECK(config_refusal("{\"pools\": [{\"name\": \"a\", \"size\": 0}]}").find("size") != std::string::npos);
  CHECK(config_refusal("{\"pools\": [{\"name\": \"a\", \"size\": 1025}]}").find("1024") != std::string::npos);
  CHECK(config_refusal("{\"durability\": \"maybe\"}").find("power") != std::string::npos);
  CHECK(config_refusal("{\n\"a\": }").find("/x/tined.json:2: not JSON") == 0);
  CHECK(config_refusal("{\"pools\": [{\"name\": \"a\"}, {\"name\": \"a\"}]}").find("two pools") !=
        std::string::npos);
}

TEST_CASE("config: functions that programs answer, in its folder") {
  const auto config = parse_config(
      R"({"functions": [{"name": "thumb", "command": ["python3", "thumb.py"]}]})", "/x/tined.json");
  REQUIRE(config);
  REQUIRE(config->functions.size() == 1);
  CHECK(config->functions[0].name == "thumb");
  CHECK(config->functions[0].command == std::vector<std::string>{"python3", "thumb.py"});
  CHECK(config->functions[0].folder == "/x");
}

TEST_CASE("config: functions with a taken name, no command or more keys are refused") {
  const auto of = [](const std::string& function) {
    return config_refusal(("{\"functions\": [" + function + "]}").c_str());
  };
  CHECK(of(R"({"name": "echo", "command": ["cat"]})").find("two functions are named echo") !=
        std::string::npos);
  CHECK(of(R"({"name": "f", "command": ["a"]}, {"name": "f", "command": ["b"]})").find("two functions") !=
        std::string::npos);
  CHECK(of(R"({"name": "a/b", "command": ["cat"]})").find("letters") != std::string::npos);
  CHECK(of(R"({"name": "f", "command": []})").find("non-empty array") != std::string::npos);
  CHECK(of(R"({"name": "f", "command": "cat"})").find("non-empty array") != std::string::npos);
  CHECK(of(R"({"name": "f"})").find("non-empty array") != std::string::npos);
  CHECK(of(R"({"name": "f", "command": ["cat"], "kind": "x"})").find("allowed: name command") !=
        std::string::npos);
  CHECK(of("7").find("array of objects") != std::string::npos);
}

TEST_CASE("config: a coroutine pool has one worker and 10,000 places, or what it says") {
  const auto config = parse_config(
      R"({"pools": [{"name": "a", "kind": "coroutine"},
                    {"name": "b", "kind": "coroutine", "size": 2, "concurrency": 30000}]})",
      "/x/tined.json");
  REQUIRE(config);
  CHECK(config->pools[0].size == 1);
  CHECK(config->pools[0].concurrency == 10000);
  CHECK(config->pools[1].size == 2);
  CHECK(config->pools[1].concurrency == 30000);
}

TEST_CASE("config: a kind or concurrency that is none is refused") {
  CHECK(config_refusal(R"({"pools": [{"name": "a", "kind": "thread"}]})").find("\"coroutine\"") !=
        std::string::npos);
  CHECK(config_refusal(R"({"pools": [{"name": "a", "kind": "coroutine", "concurrency": 30001}]})")
            .find("concurrency: must be a whole number from 1 to 30000") != std::string::npos);
  CHECK(
      config_refusal(R"({"pools": [{"name": "a", "kind": "coroutine", "concurrency": 0}]})").find("from 1") !=
      std::string::npos);
  CHECK(config_refusal(R"({"pools": [{"name": "a", "concurrency": 10}]})").find("coroutine") !=
        std::string::npos);
}

TEST_CASE("config: this machine has a CPU") { CHECK(usable_cpus() >= 1); }
