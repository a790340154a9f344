#include <doctest/doctest.h>

#include "tests/support/test_daemon.hpp"

using namespace tine::test;

TEST_CASE("wait: one job's code is passed through") {
  TestDaemon daemon;

  CHECK(daemon.tine({"wait", daemon.submit({"--shell", "exit 9"})}).exit_status == 9);
  CHECK(daemon.tine({"wait", "last"}).exit_status == 9);
}

TEST_CASE("wait: of several jobs 1 when any of them did not succeed") {
  TestDaemon daemon;
  const auto good = daemon.submit({"true"}), other = daemon.submit({"true"}),
             bad = daemon.submit({"--shell", "exit 9"});

  CHECK(daemon.tine({"wait", good, other}).exit_status == 0);
  CHECK(daemon.tine({"wait", good + "-" + bad}).exit_status == 1);
}

TEST_CASE("wait --any: prints the id of the one that ended") {
  TestDaemon daemon;
  const auto slow = daemon.submit({"sleep", "600"}), fast = daemon.submit({"--shell", "exit 4"});

  const auto finished = daemon.tine({"wait", "--any", slow, fast});

  CHECK(finished.exit_status == 4);
  CHECK(finished.out == fast + "\n");
}

TEST_CASE("wait --all: waits for what is unfinished") {
  TestDaemon daemon;
  daemon.submit({"sleep", "0.2"});
  daemon.submit({"sleep", "0.3"});

  CHECK(daemon.tine({"wait", "--all"}).exit_status == 0);

  const auto jobs = daemon.status()["jobs"];
  CHECK(jobs["succeeded"] == 2);
  CHECK(jobs["running"] == 0);
}

TEST_CASE("wait --timeout: 124 and the job goes on") {
  TestDaemon daemon;
  const auto id = daemon.submit({"sleep", "600"});

  CHECK(daemon.tine({"wait", "--timeout", "100ms", id}).exit_status == 124);
  CHECK(daemon.record(id)["state"] == "running");
}

TEST_CASE("wait: 1 for a job that is not there and 2 for a malformed selector") {
  TestDaemon daemon;

  CHECK(daemon.tine({"wait", "4711"}).exit_status == 1);
  CHECK(daemon.tine({"wait", "last"}).exit_status == 1);
  for (const char* wrong : {"abc", "5-3", "-", "1-", "0x1", "99999999999999999999"}) {
    CAPTURE(wrong);
    const auto finished = daemon.tine({"wait", wrong});
    CHECK(finished.exit_status == 2);
    CHECK_FALSE(finished.err.empty());
  }
  CHECK(daemon.tine({"wait"}).exit_status == 2);
}

TEST_CASE("wait --json: prints each record once") {
  TestDaemon daemon;
  const auto first = daemon.submit({"echo", "a"}), second = daemon.submit({"echo", "b"});

  CHECK(json_lines(daemon.tine({"wait", "--json", first, second, first}).out).size() == 2);
}

TEST_CASE("wait --json: a record is the line that show prints") {
  TestDaemon daemon;
  const auto id = daemon.submit({"-n", "a\tb", "--shell", R"(printf 'a\tb\n\001\033"\\'; sleep 0.01)"});

  const auto waited = daemon.tine({"wait", "--json", id}).out;

  CHECK(waited.find(R"("stdout":"a\tb\n\u0001\u001b\"\\")") != std::string::npos);
  CHECK(waited == daemon.tine({"show", id}).out);
}
