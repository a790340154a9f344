#include <doctest/doctest.h>

#include <algorithm>

#include "tests/support/eventually.hpp"
#include "tests/support/test_daemon.hpp"

using namespace tine::test;

TEST_CASE("array: prints its range; each job has its index, in its environment and in its record") {
  TestDaemon daemon;
  const auto submitted = daemon.tine({"submit", "--array", "0-9:3", "--shell", "echo $TINE_ARRAY_INDEX"});
  CHECK(submitted.exit_status == 0);
  const auto dash = submitted.out.find('-');
  REQUIRE(dash != std::string::npos);
  const int first = std::stoi(submitted.out), last = std::stoi(submitted.out.substr(dash + 1));
  CHECK(last - first == 3);

  CHECK(daemon.tine({"wait", std::to_string(first) + "-" + std::to_string(last)}).exit_status == 0);
  for (int i = 0; i < 4; ++i) {
    const auto record = daemon.record(std::to_string(first + i));
    CHECK(record["array_index"] == 3 * i);
    CHECK(record["stdout"] == std::to_string(3 * i) + "\n");
  }
  const auto json = Json::parse(daemon.tine({"submit", "--json", "--array", "1-2", "true"}).out);
  CHECK(json["last_id"].get<int>() - json["id"].get<int>() == 1);
  CHECK(daemon.record(std::to_string(first))["array_index"] == 0);
}

TEST_CASE("array: at most MAX of it run at once") {
  TestDaemon daemon({R"({"pools":[{"name":"default","size":4}]})"});
  CHECK(
      daemon
          .sh("\"$tine\" submit --array 0-7%2 --shell 'echo in >>log; ls $TINE_JOB_ID.* 2>/dev/null; "
              "mkdir at.$TINE_ARRAY_INDEX; ls -d at.* | wc -l >>most; sleep 0.1; rmdir at.$TINE_ARRAY_INDEX'")
          .exit_status == 0);
  CHECK(daemon.tine({"wait", "--all"}).exit_status == 0);
  CHECK(daemon.sh("wc -l <log; sort -n most | tail -n 1").out == "8\n2\n");
}

TEST_CASE("array: what waits for its place says so, and a cancelled element gives it up") {
  TestDaemon daemon({R"({"pools":[{"name":"default","size":4}]})"});
  const auto out = daemon.tine({"submit", "--array", "0-3%1", "sleep", "600"}).out;
  const int first = std::stoi(out);
  const auto id = [&](int i) { return std::to_string(first + i); };
  CHECK(eventually([&] { return daemon.record(id(0))["state"] == "running"; }));
  CHECK(eventually([&] {
    return daemon.tine({"why", id(1)}).out.find("waits for its array: 1 of it run") != std::string::npos;
  }));
  CHECK(daemon.tine({"cancel", id(1)}).exit_status == 0);
  CHECK(daemon.tine({"cancel", id(0)}).exit_status == 0);
  CHECK(eventually([&] { return daemon.record(id(2))["state"] == "running"; }));
  CHECK(daemon.record(id(3))["state"] == "queued");
  daemon.restart();
  CHECK(daemon.record(id(2))["state"] == "running");
  CHECK(daemon.record(id(3))["state"] == "queued");
  CHECK(daemon.tine({"cancel", id(2)}).exit_status == 0);
  CHECK(eventually([&] { return daemon.record(id(3))["state"] == "running"; }));
  CHECK(daemon.tine({"cancel", id(3)}).exit_status == 0);
}

TEST_CASE("array: of a million, and malformed ones, are refused with one line") {
  TestDaemon daemon;
  for (const std::string text : {"0-999999", "3-1", "x", "0-3:0", "0-3%0"}) {
    CAPTURE(text);
    const auto refused = daemon.tine({"submit", "--array", text, "true"});
    CHECK(refused.exit_status == 2);
    CHECK(refused.err.find("allowed: FIRST-LAST") != std::string::npos);
    CHECK(std::count(refused.err.begin(), refused.err.end(), '\n') == 1);
  }
  CHECK(daemon.tine({"list", "--json"}).out.empty());
}

TEST_CASE("batch: names in after, fan-out and fan-in, also over arrays") {
  TestDaemon daemon;
  write_whole_file(
      daemon.path("jobs"),
      R"({"name":"join","after":["part"],"shell":"cat part.* | sort -n | tr '\n' ' '"})"
      "\n"
      R"({"name":"part","after":["split"],"array":"0-3","shell":"cat go; echo $TINE_ARRAY_INDEX >part.$TINE_ARRAY_INDEX"})"
      "\n"
      R"({"name":"split","shell":"echo >go","labels":{"a":"b"},"env":{"X":"y"}})"
      "\n");
  const auto waited = daemon.sh("\"$tine\" batch --wait jobs");
  CHECK(waited.exit_status == 0);
  const auto records = json_lines(waited.out);
  REQUIRE(records.size() == 6);
  CHECK(records.front()["name"] == "split");
  CHECK(records.back()["name"] == "join");
  CHECK(records.back()["stdout"] == "0 1 2 3 ");
}

TEST_CASE("batch: a cycle and an unknown name are told by line, and nothing is stored") {
  TestDaemon daemon;
  struct Case {
    const char* lines;
    const char* told;
  };
  for (const auto& [lines, told] : {Case{R"({"name":"a","after":["b"],"command":["true"]})"
                                         "\n"
                                         R"({"name":"b","after":["a"],"command":["true"]})",
                                         "line 1: after: the jobs wait for each other in a cycle"},
                                    Case{R"({"name":"a","after":["a"],"command":["true"]})",
                                         "after: the jobs wait for each other in a cycle"},
                                    Case{R"({"name":"a","command":["true"]})"
                                         "\n"
                                         R"({"after":["nobody"],"command":["true"]})",
                                         "line 2: after: no line of this batch has the name \"nobody\""},
                                    Case{R"({"command":["true"]})"
                                         "\n"
                                         R"({"after":[4711],"command":["true"]})",
                                         "there is no job 4711"}}) {
    CAPTURE(lines);
    const auto refused = daemon.tine({"batch", "-"}, lines);
    CHECK(refused.exit_status == 2);
    CHECK(refused.err.find(told) != std::string::npos);
  }
  CHECK(daemon.tine({"list", "--json"}).out.empty());
}

TEST_CASE("batch: every option under its name") {
  TestDaemon daemon;
  const auto waited = daemon.tine(
      {"batch", "--wait", "-"},
      R"({"shell":"echo \"$A$B\"; env | wc -l","clean_env":true,"env":{"A":"1"},"retries":1,"retry_delay":"10ms",)"
      R"("backoff":2,"delay":"100ms","slots":1,"max_output":"1M","max_memory":"1G","nice":1,"unique":"k",)"
      R"("on_duplicate":"queue","idempotency_key":"once","timeout":"1m","kill_after":1,"priority":3,"name":"n"})");
  CHECK(waited.exit_status == 0);
  const auto records = json_lines(waited.out);
  REQUIRE(records.size() == 1);
  CHECK(records[0]["stdout"].get<std::string>().starts_with("1\n"));
}
