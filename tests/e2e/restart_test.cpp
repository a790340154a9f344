#include <doctest/doctest.h>
#include <signal.h>

#include "tests/support/eventually.hpp"
#include "tests/support/test_daemon.hpp"

using namespace tine::test;

namespace {

const std::string until_gate =
    "echo before; echo $$ >job.pid; while [ ! -e gate ]; do sleep 0.02; done; echo after; exit 7";

}  // namespace

TEST_CASE("kill -9 of tined: a running job goes on and keeps its exit code and output") {
  TestDaemon daemon;
  const auto id = daemon.submit({"-w", daemon.folder(), "--shell", until_gate});
  const pid_t job = daemon.job_process("job");

  daemon.restart();
  CHECK(is_alive(job));
  CHECK(daemon.record(id)["state"] == "running");
  write_whole_file(daemon.path("gate"), "");

  const auto record = daemon.wait(id);
  CHECK(record["state"] == "failed");
  CHECK(record["exit_code"] == 7);
  CHECK(record["stdout"] == "before\nafter\n");
  CHECK(record["attempt"] == 1);
}

TEST_CASE("kill -9 of tined: a job that ends while there is none is told at the next start") {
  TestDaemon daemon;
  const auto id = daemon.submit({"-w", daemon.folder(), "--shell", until_gate});
  const pid_t job = daemon.job_process("job");

  daemon.kill9();
  write_whole_file(daemon.path("gate"), "");
  CHECK(eventually([&] { return !is_alive(job); }));
  daemon.start();

  const auto record = daemon.wait(id);
  CHECK(record["exit_code"] == 7);
  CHECK(record["stdout"] == "before\nafter\n");
}

TEST_CASE("kill -9 of tined: queued jobs run after the restart and each of them once") {
  TestDaemon daemon;
  std::string jobs;
  for (int i = 0; i < 200; ++i)
    jobs += R"({"shell": "echo $TINE_JOB_ID >>done; sleep 0.01"})"
            "\n";
  write_whole_file(daemon.path("jobs"), jobs);
  const auto ids = daemon.sh("\"$tine\" batch jobs").out;
  CHECK(eventually([&] { return !read_whole_file(daemon.path("done")).empty(); }));

  daemon.restart();
  CHECK(daemon.tine({"wait", "--all"}).exit_status == 0);

  CHECK(daemon.sh("sort -n done").out == ids);
  CHECK(daemon.status()["jobs"]["succeeded"] == 200);
}

TEST_CASE("kill -9 of tined: a timeout is kept by the worker") {
  TestDaemon daemon;
  const auto id =
      daemon.submit({"-t", "1s", "-w", daemon.folder(), "--shell", "echo $$ >job.pid; exec sleep 600"});
  const pid_t job = daemon.job_process("job");

  daemon.kill9();
  CHECK(eventually([&] { return !is_alive(job); }));
  daemon.start();

  CHECK(daemon.wait(id)["state"] == "timed_out");
}

TEST_CASE("wait and run outlive tined") {
  TestDaemon daemon;
  auto runner = daemon.tine_running({"run", "-w", daemon.folder(), "--shell", until_gate});
  daemon.job_process("job");
  const auto id = std::to_string(daemon.record("last")["id"].get<unsigned long long>());
  auto waiter = daemon.tine_running({"wait", id});
  const auto connected = "ls -l /proc/" + std::to_string(waiter.pid()) + "/fd | grep -q socket:";
  CHECK(eventually([&] { return daemon.sh(connected).exit_status == 0; }));

  daemon.restart();
  write_whole_file(daemon.path("gate"), "");

  const auto ran = runner.wait();
  CHECK(ran.exit_status == 7);
  CHECK(ran.out == "before\nafter\n");
  CHECK(waiter.wait().exit_status == 7);
}

TEST_CASE("shutdown --leave-jobs and SIGQUIT: the next start adopts the running job") {
  TestDaemon daemon;
  const auto id = daemon.submit({"-w", daemon.folder(), "--shell", until_gate});
  const pid_t job = daemon.job_process("job");

  CHECK(daemon.tine({"shutdown", "--leave-jobs"}).exit_status == 0);
  CHECK(is_alive(job));
  daemon.start();
  CHECK(::kill(daemon.pid(), SIGQUIT) == 0);
  CHECK(eventually([&] { return daemon.tine({"ping"}).exit_status == 69; }));
  CHECK(is_alive(job));
  daemon.start();
  write_whole_file(daemon.path("gate"), "");

  CHECK(daemon.wait(id)["exit_code"] == 7);
}

TEST_CASE("run: one that waits in line when tined is replaced runs beneath the next") {
  for (const bool drains : {false, true}) {
    TestDaemon daemon({.config = R"({"pools": [{"name": "default", "size": 1}]})"});
    daemon.submit({"--shell", "until test -e go; do sleep 0.01; done", "-w", daemon.folder()});
    auto run = daemon.tine_running({"run", "--shell", "echo ran; exit 9"});
    REQUIRE(eventually([&] { return daemon.status()["jobs"]["queued"] == 1; }));
    if (drains) daemon.sh("touch go");

    CHECK(::kill(daemon.pid(), drains ? SIGTERM : SIGQUIT) == 0);
    REQUIRE(eventually([&] { return daemon.has_died(); }));
    daemon.start();
    daemon.sh("touch go");

    const auto ended = run.wait();
    CHECK(ended.exit_status == 9);
    CHECK(ended.out == "ran\n");
  }
}

TEST_CASE("a service's daemon takes over from one that a client started, and its jobs run on") {
  TestDaemon daemon(without_a_daemon());
  const auto id =
      daemon.submit({"-w", daemon.folder(), "--shell", "until test -e go; do sleep 0.01; done; exit 4"});
  REQUIRE(eventually([&] { return daemon.record(id)["state"] == "running"; }));
  const auto before = daemon.status()["daemon"];
  CHECK(before["supervised"] == false);
  CHECK(daemon.sh("cat /proc/" + before["pid"].dump() + "/comm").out == "tined\n");

  auto service = daemon.sh_running("NOTIFY_SOCKET=$dir/notify exec \"$tined\"");
  REQUIRE(eventually([&] {
    const auto answer = daemon.tine({"--no-autostart", "status", "--json"});
    return answer.exit_status == 0 && Json::parse(answer.out)["daemon"]["supervised"] == true;
  }));
  CHECK(daemon.record(id)["state"] == "running");
  CHECK(daemon.sh("NOTIFY_SOCKET=$dir/notify \"$tined\"").exit_status == 100);  // another service's
  CHECK(daemon.sh("\"$tined\"").exit_status == 100);

  daemon.sh("touch go");
  CHECK(daemon.wait(id)["exit_code"] == 4);
  CHECK(daemon.tine({"shutdown"}).exit_status == 0);
  CHECK(service.wait().exit_status == 0);
}

TEST_CASE("log: the journal gets levels and no time, a file that is no journal the time") {
  TestDaemon daemon(without_a_daemon());
  const auto started = daemon.sh(R"sh(
exec 2>journal; JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) "$tined" --log-level debug & pid=$!
until "$tine" ping >/dev/null 2>&1; do sleep 0.01; done
kill "$pid"; wait "$pid")sh");
  CHECK(started.exit_status == 0);
  CHECK(daemon.sh("grep -c '^<6>SIGTERM: ending$' journal").out == "1\n");
  CHECK(daemon.sh("grep -vc '^<[3-7]>' journal").out == "0\n");
}

TEST_CASE("shutdown: waits for the running job and keeps the queued ones") {
  TestDaemon daemon({R"({"pools": [{"name": "default", "size": 1}]})"});
  const auto running = daemon.submit({"-w", daemon.folder(), "--shell", until_gate});
  const auto queued = daemon.submit({"echo", "later"});
  daemon.job_process("job");
  auto stopper = daemon.tine_running({"shutdown"});

  write_whole_file(daemon.path("gate"), "");
  CHECK(stopper.wait().exit_status == 0);
  daemon.start();

  CHECK(daemon.record(running)["exit_code"] == 7);
  CHECK(daemon.wait(queued)["stdout"] == "later\n");
}

TEST_CASE("ids: are never used twice") {
  TestDaemon daemon;
  const auto before = std::stoull(daemon.submit({"true"}));

  daemon.restart();

  CHECK(std::stoull(daemon.submit({"true"})) > before);
}

TEST_CASE("zygote: is replaced when it dies") {
  TestDaemon daemon;
  daemon.tine({"run", "true"});
  const auto before = daemon.status()["pools"][0]["workers"];
  REQUIRE_FALSE(before.empty());

  // The parent of a worker is the zygote.
  const auto pid = std::to_string(before[0]["pid"].get<int>());
  CHECK(daemon.sh("kill -9 $(ps -o ppid= -p " + pid + ")").exit_status == 0);

  CHECK(eventually([&] { return daemon.tine({"run", "true"}).exit_status == 0; }));
}
