#include <doctest/doctest.h>

#include "tests/support/eventually.hpp"
#include "tests/support/test_daemon.hpp"

using namespace tine::test;

namespace {

/// Submits a job whose child, made by `shell`, writes its pid to job.pid; cancels it, and says whether both
/// are gone.
void check_tree_is_gone(const TestDaemon& daemon, const std::string& shell) {
  const auto id = daemon.submit({"--kill-after", "300ms", "-w", daemon.folder(), "--shell", shell});
  const pid_t child = daemon.job_process("job");

  CHECK(daemon.tine({"cancel", id}).exit_status == 0);

  CHECK(daemon.tine({"wait", "--timeout", "20", id}).exit_status == 143);
  CHECK(eventually([&] { return !is_alive(child); }));
  CHECK(daemon.record(id)["state"] == "cancelled");
}

}  // namespace

TEST_CASE("cancel: a queued job never starts") {
  TestDaemon daemon({R"({"pools": [{"name": "default", "size": 1}]})"});
  const auto first = daemon.submit({"sleep", "600"});
  const auto queued = daemon.submit({"-w", daemon.folder(), "touch", "started"});

  CHECK(daemon.tine({"cancel", queued}).exit_status == 0);
  CHECK(daemon.tine({"cancel", first}).exit_status == 0);

  CHECK(daemon.tine({"wait", queued}).exit_status == 143);
  CHECK(daemon.record(queued)["started_at"].is_null());
  CHECK(daemon.tine({"wait", first}).exit_status == 143);
  CHECK(daemon.tine({"run", "true"}).exit_status == 0);
  CHECK(read_whole_file(daemon.path("started")).empty());
  CHECK(daemon.sh("test -e started").exit_status == 1);
}

TEST_CASE("cancel: TERM comes first and may be used to clean up") {
  TestDaemon daemon;
  const auto id =
      daemon.submit({"-w", daemon.folder(), "--shell",
                     "trap 'echo tidy; exit 0' TERM; echo $$ >job.pid; while :; do sleep 0.05; done"});
  daemon.job_process("job");

  daemon.tine({"cancel", id});

  CHECK(daemon.tine({"wait", id}).exit_status == 143);
  CHECK(daemon.record(id)["stdout"] == "tidy\n");
}

TEST_CASE("cancel: KILL follows for a job that ignores TERM") {
  TestDaemon daemon;
  check_tree_is_gone(daemon, "trap '' TERM; echo $$ >job.pid; while :; do sleep 0.05; done");
}

TEST_CASE("cancel: a child in the background goes too") {
  TestDaemon daemon;
  check_tree_is_gone(daemon, "sleep 600 & echo $! >job.pid; wait");
}

TEST_CASE("cancel: a child in a session of its own goes too") {
  TestDaemon daemon;
  check_tree_is_gone(daemon, "setsid sh -c 'echo $$ >job.pid; exec sleep 600' & wait");
}

TEST_CASE("cancel: a child without an environment goes too") {
  TestDaemon daemon;
  check_tree_is_gone(
      daemon,
      "env -i setsid sh -c 'echo $$ >job.pid; trap \"\" TERM; while :; do /bin/sleep 0.05; done' & wait");
}

TEST_CASE("end of a job: what it left behind is gone") {
  TestDaemon daemon;

  // A daemon in the classic manner: fork, new session, fork again, parent gone.
  const auto id = daemon.submit({"-w", daemon.folder(), "--shell",
                                 "setsid sh -c 'sh -c \"echo \\$\\$ >job.pid; trap \\\"\\\" TERM HUP; while "
                                 ":; do sleep 0.05; done\" &'; "
                                 "while [ ! -s job.pid ]; do sleep 0.02; done"});

  CHECK(daemon.tine({"wait", id}).exit_status == 0);
  const pid_t left = daemon.job_process("job");
  CHECK(eventually([&] { return !is_alive(left); }));
}

TEST_CASE("kill: sends its signal to the main process alone") {
  TestDaemon daemon;
  const auto id = daemon.submit({"-w", daemon.folder(), "--shell",
                                 "trap 'exit 7' USR2; echo $$ >job.pid; while :; do sleep 0.05; done"});
  daemon.job_process("job");

  CHECK(daemon.tine({"kill", "-s", "USR2", id}).exit_status == 0);

  CHECK(daemon.tine({"wait", id}).exit_status == 7);
}

TEST_CASE("cancel: an ended job stays as it ended") {
  TestDaemon daemon;
  const auto id = daemon.submit({"true"});
  daemon.wait(id);

  daemon.tine({"cancel", id});

  CHECK(daemon.record(id)["state"] == "succeeded");
  CHECK(daemon.tine({"cancel", "4711"}).exit_status == 1);
}
