#include <doctest/doctest.h>

#include "tests/support/test_daemon.hpp"

using namespace tine::test;

namespace {}  // namespace

TEST_CASE("autostart: the first verb that needs a daemon starts one") {
  TestDaemon daemon(without_a_daemon());

  CHECK(daemon.tine({"run", "echo", "started"}).out == "started\n");
  CHECK(daemon.tine({"ping"}).exit_status == 0);
  CHECK(daemon.sh("stat -c %a state").out == "700\n");
  CHECK(daemon.sh("stat -c %a \"$sock\"").out == "600\n");
}

TEST_CASE("autostart: of several at once one starts and the others come to it") {
  TestDaemon daemon(without_a_daemon());

  const auto finished = daemon.sh("for i in 1 2 3 4 5 6; do \"$tine\" submit true & done; wait");

  INFO(finished.err);
  CHECK(daemon.tine({"wait", "--all"}).exit_status == 0);
  CHECK(daemon.status()["jobs"]["succeeded"] == 6);
}

TEST_CASE("autostart: not for ping and status and shutdown") {
  TestDaemon daemon(without_a_daemon());

  CHECK(daemon.tine({"ping"}).exit_status == 69);
  CHECK(daemon.tine({"status"}).exit_status == 69);
  CHECK(daemon.tine({"shutdown"}).exit_status == 0);
  CHECK(daemon.sh("test -e \"$sock\"").exit_status == 1);
}

TEST_CASE("autostart: not with --no-autostart or TINE_AUTOSTART=0 or inside a job") {
  TestDaemon daemon(without_a_daemon());

  CHECK(daemon.tine({"--no-autostart", "submit", "true"}).exit_status == 69);
  CHECK(daemon.sh("TINE_AUTOSTART=0 \"$tine\" submit true").exit_status == 69);
  CHECK(daemon.sh("TINE_JOB_ID=1 \"$tine\" submit true").exit_status == 69);
  CHECK(daemon.sh("test -e \"$sock\"").exit_status == 1);
}
