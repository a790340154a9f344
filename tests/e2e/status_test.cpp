#include <doctest/doctest.h>

#include "tests/support/eventually.hpp"
#include "tests/support/test_daemon.hpp"

using namespace tine::test;

TEST_CASE("status --json: tells the daemon and its pools and its jobs") {
  TestDaemon daemon;
  const auto id = daemon.submit({"sleep", "600"});
  CHECK(eventually([&] { return daemon.record(id)["state"] == "running"; }));

  const auto status = daemon.status();

  CHECK(status["schema"] == 1);
  CHECK(status["daemon"]["pid"] == daemon.pid());
  CHECK(status["daemon"]["version"].is_string());
  CHECK(status["daemon"]["uptime_s"].is_number());
  CHECK(status["daemon"]["socket"] == daemon.socket());
  CHECK(status["daemon"]["state_dir"] == daemon.path("state"));
  REQUIRE(status["pools"].size() == 1);
  const auto pool = status["pools"][0];
  CHECK(pool["name"] == "default");
  CHECK(pool["kind"] == "process");
  CHECK(pool["size"] == 2);
  CHECK(pool["busy"] == 1);
  CHECK(pool["queued"] == 0);
  CHECK(pool["state"] == "open");
  REQUIRE_FALSE(pool["workers"].empty());
  for (const char* key : {"slot", "pid", "state", "job", "jobs_done", "pss_bytes"}) {
    CAPTURE(key);
    CHECK(pool["workers"][0].contains(key));
  }
  CHECK(status["jobs"]["running"] == 1);
}

TEST_CASE("list: filters by state and name and label and pool") {
  TestDaemon daemon;
  const auto good = daemon.submit({"-n", "build-1", "--label", "team=a", "true"});
  const auto bad = daemon.submit({"-n", "test-1", "--label", "team=b", "false"});
  daemon.tine({"wait", "--all"});

  const auto only = [&](std::vector<std::string> filter) {
    filter.insert(filter.begin(), {"list", "--json"});
    const auto records = json_lines(daemon.tine(filter).out);
    return records.size() == 1 ? std::to_string(records[0]["id"].get<unsigned long long>())
                               : std::string("not one");
  };

  CHECK(only({"--state", "failed"}) == bad);
  CHECK(only({"--name", "build-*"}) == good);
  CHECK(only({"--label", "team=b"}) == bad);
  CHECK(only({"--limit", "1"}) == bad);
  CHECK(json_lines(daemon.tine({"list", "--json", "--pool", "default"}).out).size() == 2);
  CHECK(daemon.tine({"list"}).out.find("build-1") != std::string::npos);
}
