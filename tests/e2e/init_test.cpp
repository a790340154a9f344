#include <doctest/doctest.h>
#include <signal.h>

#include "tests/support/eventually.hpp"
#include "tests/support/test_daemon.hpp"

using namespace tine::test;

namespace {

bool can_unshare(const TestDaemon& daemon) {
  if (daemon.sh("unshare --pid --mount --fork --kill-child --mount-proc true").exit_status == 0) return true;
  MESSAGE("skipped: no PID namespaces for this user");
  return false;
}

/// tined --init as PID 1 of a PID namespace of its own.
Running container(const TestDaemon& daemon) {
  auto running =
      daemon.sh_running("exec unshare --pid --mount --fork --kill-child --mount-proc \"$tined\" --init");
  REQUIRE(eventually([&] { return daemon.tine({"--no-autostart", "ping"}).exit_status == 0; }));
  return running;
}

/// PID 1 of the namespace, as this side sees it.
pid_t init_of(const TestDaemon& daemon, const Running& running) {
  pid_t pid = 0;
  eventually([&] {
    pid = std::atoi(daemon.sh("cat /proc/" + std::to_string(running.pid()) + "/task/*/children").out.c_str());
    return pid > 0;
  });
  REQUIRE(pid > 0);
  return pid;
}

}  // namespace

TEST_CASE("init: runs tined as its child and reaps what is orphaned") {
  TestDaemon daemon(without_a_daemon());
  if (!can_unshare(daemon)) return;
  auto running = container(daemon);

  CHECK(daemon.tine({"run", "--shell", "tr '\\0' ' ' </proc/1/cmdline | grep -q -- --init"}).exit_status ==
        0);
  CHECK(daemon.tine({"run", "--shell", "setsid sh -c 'sleep 0.05 &'; exit 0"}).exit_status == 0);
  CHECK(eventually([&] {
    return daemon.tine({"run", "--shell", "! grep -ls '^State:.Z' /proc/[0-9]*/status"}).exit_status == 0;
  }));

  ::kill(init_of(daemon, running), SIGTERM);
  CHECK(running.wait().exit_status == 0);
}

TEST_CASE("init: SIGTERM drains and the exit code is tined's") {
  TestDaemon daemon(without_a_daemon());
  if (!can_unshare(daemon)) return;
  auto running = container(daemon);
  const auto id =
      daemon.submit({"-w", daemon.folder(), "--shell", "echo $$ >job.pid; sleep 1; echo finished >end"});
  daemon.job_process("job");

  ::kill(init_of(daemon, running), SIGTERM);

  CHECK(running.wait().exit_status == 0);
  CHECK(read_whole_file(daemon.path("end")) == "finished\n");
  daemon.start();
  CHECK(daemon.record(id)["state"] == "succeeded");
}

TEST_CASE("init: starts tined again when a signal killed it") {
  TestDaemon daemon(without_a_daemon());
  if (!can_unshare(daemon)) return;
  auto running = container(daemon);

  CHECK(daemon.tine({"run", "--shell", "kill -9 $(cat /proc/1/task/1/children)"}).exit_status >= 0);

  CHECK(eventually([&] { return daemon.tine({"--no-autostart", "run", "true"}).exit_status == 0; }));
  ::kill(init_of(daemon, running), SIGTERM);
  CHECK(running.wait().exit_status == 0);
}

TEST_CASE("init: exits with the code of a tined that could not start") {
  TestDaemon daemon(without_a_daemon());
  if (!can_unshare(daemon)) return;
  write_whole_file(daemon.path("tined.json"), R"({"unknown": 1})");

  CHECK(daemon.sh("exec unshare --pid --mount --fork --kill-child --mount-proc \"$tined\" --init")
            .exit_status == 2);
}
