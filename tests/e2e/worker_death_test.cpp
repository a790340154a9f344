#include <doctest/doctest.h>
#include <signal.h>

#include "tests/support/eventually.hpp"
#include "tests/support/test_daemon.hpp"

using namespace tine::test;

namespace {

pid_t worker_of(const TestDaemon& daemon, const std::string& id) {
  pid_t pid = 0;
  eventually([&] {
    const auto worker = daemon.record(id)["worker"];
    pid = worker.is_object() && worker["pid"].is_number() ? worker["pid"].get<pid_t>() : 0;
    return pid > 0;
  });
  REQUIRE(pid > 0);
  return pid;
}

std::size_t workers_up(const TestDaemon& daemon) { return daemon.status()["pools"][0]["workers"].size(); }

}  // namespace

TEST_CASE("kill -9 of a worker: its command is lost and its processes are killed") {
  TestDaemon daemon;
  const auto id = daemon.submit(
      {"-w", daemon.folder(), "--shell", "setsid sh -c 'echo $$ >job.pid; exec sleep 600' & wait"});
  const auto other = daemon.submit({"sleep", "2"});
  const pid_t child = daemon.job_process("job");

  ::kill(worker_of(daemon, id), SIGKILL);

  const auto record = daemon.wait(id);
  CHECK(record["state"] == "lost");
  CHECK(record["reason"] == "worker_died");
  CHECK(daemon.tine({"wait", id}).exit_status == 125);
  CHECK(eventually([&] { return !is_alive(child); }));
  CHECK(daemon.wait(other)["state"] == "succeeded");
}

TEST_CASE("kill -9 of a worker: its function has failed") {
  TestDaemon daemon;
  const auto id = daemon.submit({"--fn", "sleep", "--args", "[600]"});

  ::kill(worker_of(daemon, id), SIGKILL);

  const auto record = daemon.wait(id);
  CHECK(record["state"] == "failed");
  CHECK(record["reason"] == "worker_died");
  CHECK(daemon.tine({"wait", id}).exit_status == 1);
}

TEST_CASE("kill -9 of a worker: the pool is whole again") {
  TestDaemon daemon;
  const auto first = daemon.submit({"sleep", "600"}), second = daemon.submit({"sleep", "600"});
  ::kill(worker_of(daemon, first), SIGKILL);
  ::kill(worker_of(daemon, second), SIGKILL);
  daemon.wait(first);
  daemon.wait(second);

  // Both seats at once: each job waits for the other.
  const std::string meet = "touch met.$0; while [ ! -e met.$1 ]; do sleep 0.02; done";
  daemon.submit({"-w", daemon.folder(), "-t", "30", "--", "sh", "-c", meet, "a", "b"});
  daemon.submit({"-w", daemon.folder(), "-t", "30", "--", "sh", "-c", meet, "b", "a"});

  CHECK(daemon.tine({"wait", "--all"}).exit_status == 0);
  CHECK(eventually([&] { return workers_up(daemon) == 2; }));
}
