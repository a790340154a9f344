#include <doctest/doctest.h>

#include "tests/support/eventually.hpp"
#include "tests/support/test_daemon.hpp"

using namespace tine::test;

namespace {

Json pool_named(const TestDaemon& daemon, const std::string& name) {
  const auto status = daemon.status();
  for (const auto& pool : status["pools"]) {
    if (pool["name"] == name) return pool;
  }
  return nullptr;
}

}  // namespace

TEST_CASE("pool add: makes one that runs jobs and comes back after a restart") {
  TestDaemon daemon;
  CHECK(daemon.tine({"pool", "add", "extra", "--size", "3"}).exit_status == 0);

  CHECK(daemon.tine({"run", "-g", "extra", "--shell", "test $TINE_POOL = extra"}).exit_status == 0);
  CHECK(pool_named(daemon, "extra")["size"] == 3);

  daemon.restart();
  CHECK(pool_named(daemon, "extra")["size"] == 3);
  CHECK(pool_named(daemon, "default")["size"] == 2);
}

TEST_CASE("pool: no more jobs at once than its size") {
  TestDaemon daemon;
  for (int i = 0; i < 5; ++i) daemon.submit({"sleep", "600"});

  CHECK(eventually([&] { return pool_named(daemon, "default")["busy"] == 2; }));
  CHECK(pool_named(daemon, "default")["queued"] == 3);
}

TEST_CASE("pool resize: up starts more and down lets the running ones finish") {
  TestDaemon daemon;
  for (int i = 0; i < 4; ++i)
    daemon.submit({"-w", daemon.folder(), "--shell", "while [ ! -e gate ]; do sleep 0.02; done"});

  CHECK(daemon.tine({"pool", "resize", "default", "4"}).exit_status == 0);
  CHECK(eventually([&] { return pool_named(daemon, "default")["busy"] == 4; }));
  CHECK(daemon.tine({"pool", "resize", "default", "1"}).exit_status == 0);
  CHECK(pool_named(daemon, "default")["busy"] == 4);
  write_whole_file(daemon.path("gate"), "");

  CHECK(daemon.tine({"wait", "--all"}).exit_status == 0);
  CHECK(eventually([&] { return pool_named(daemon, "default")["workers"].size() <= 1; }));
}

TEST_CASE("pool close: refuses new jobs and open takes them again") {
  TestDaemon daemon;
  CHECK(daemon.tine({"pool", "close", "default"}).exit_status == 0);

  const auto refused = daemon.tine({"submit", "true"});
  CHECK(refused.exit_status == 75);
  CHECK(refused.err.find("default") != std::string::npos);

  CHECK(daemon.tine({"pool", "open", "default"}).exit_status == 0);
  CHECK(daemon.tine({"run", "true"}).exit_status == 0);
}

TEST_CASE("pool join: 2 while it is open and waits until it is empty") {
  TestDaemon daemon;
  daemon.submit({"-w", daemon.folder(), "--shell", "while [ ! -e gate ]; do sleep 0.02; done"});
  CHECK(daemon.tine({"pool", "join", "default"}).exit_status == 2);
  daemon.tine({"pool", "close", "default"});
  auto joiner = daemon.tine_running({"pool", "join", "default"});
  CHECK_FALSE(joiner.has_ended());

  write_whole_file(daemon.path("gate"), "");

  CHECK(joiner.wait().exit_status == 0);
  CHECK(pool_named(daemon, "default")["busy"] == 0);
}

TEST_CASE("pool terminate: cancels all and is back when all have ended") {
  TestDaemon daemon;
  for (int i = 0; i < 4; ++i) daemon.submit({"sleep", "600"});

  CHECK(daemon.tine({"pool", "terminate", "default"}).exit_status == 0);

  CHECK(daemon.status()["jobs"]["cancelled"] == 4);
}

TEST_CASE("pool: wrong words and values are refused") {
  TestDaemon daemon;

  CHECK(daemon.tine({"pool", "resize", "nowhere", "2"}).exit_status == 2);
  CHECK(daemon.tine({"pool", "add", "x", "--size", "0"}).exit_status == 2);
  CHECK(daemon.tine({"pool", "add", "a b", "--size", "1"}).exit_status == 2);
  CHECK(daemon.tine({"pool", "frobnicate"}).exit_status == 2);
  CHECK(json_lines(daemon.tine({"pool", "list", "--json"}).out).size() == 1);
}
