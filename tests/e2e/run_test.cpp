#include <doctest/doctest.h>
#include <signal.h>

#include "tests/support/eventually.hpp"
#include "tests/support/test_daemon.hpp"

using namespace tine::test;

TEST_CASE("run: exits with the job's own code") {
  TestDaemon daemon;

  CHECK(daemon.tine({"run", "--", "true"}).exit_status == 0);
  CHECK(daemon.tine({"run", "--shell", "exit 3"}).exit_status == 3);
  CHECK(daemon.tine({"apply", "false"}).exit_status == 1);
}

TEST_CASE("run: 127 for a command that is not there and 126 for one that cannot be run") {
  TestDaemon daemon;

  const auto absent = daemon.tine({"run", "--", "/nowhere/at-all"});
  CHECK(absent.exit_status == 127);
  CHECK(absent.err.find("/nowhere/at-all") != std::string::npos);
  CHECK(daemon.tine({"run", "--", daemon.path("tined.json")}).exit_status == 126);
  CHECK(daemon.tine({"run", "-w", "/nowhere/at-all", "--", "true"}).exit_status == 126);
}

TEST_CASE("run: 128 and the signal for a job that a signal ended") {
  TestDaemon daemon;

  CHECK(daemon.tine({"run", "--shell", "kill -KILL $$"}).exit_status == 137);
}

TEST_CASE("run: 124 for a timeout, whatever the job then exits with") {
  TestDaemon daemon;

  const auto finished = daemon.tine({"run", "-t", "200ms", "--shell", "trap 'exit 5' TERM; sleep 60 & wait"});

  CHECK(finished.exit_status == 124);
  CHECK(daemon.record("last")["state"] == "timed_out");
  CHECK(daemon.record("last")["reason"] == "timeout");
}

TEST_CASE("run: passes stdin and stdout and stderr through untouched") {
  TestDaemon daemon;
  std::string bytes;
  for (int i = 0; i < 200000; ++i) bytes += static_cast<char>(i * 7 % 256);

  CHECK(daemon.tine({"run", "--", "cat"}, bytes).out == bytes);
  const auto finished = daemon.tine({"run", "--shell", "printf out; printf err >&2"});
  CHECK(finished.out == "out");
  CHECK(finished.err == "err");
}

TEST_CASE("run: gives the job the caller's own pipe") {
  TestDaemon daemon;

  CHECK(daemon.sh("yes | \"$tine\" run -- head -n 3 | sort").out == "y\ny\ny\n");
  CHECK(daemon.sh("\"$tine\" run -- sh -c 'readlink /proc/self/fd/1' >file; cat file").out ==
        daemon.path("file") + "\n");
}

TEST_CASE("run: keeps the caller's cwd and environment and umask") {
  TestDaemon daemon;

  const auto finished = daemon.sh(
      "mkdir here; cd here; umask 027; WORD='two words' \"$tine\" run --shell 'pwd; umask; echo \"$WORD\"'");

  CHECK(finished.out == daemon.path("here") + "\n0027\ntwo words\n");
}

TEST_CASE("run --json: captures the output and prints the record alone") {
  TestDaemon daemon;

  const auto finished = daemon.tine({"run", "--json", "--shell", "echo out; echo err >&2; exit 4"});

  CHECK(finished.exit_status == 4);
  CHECK(finished.err.empty());
  const auto record = Json::parse(finished.out);
  CHECK(record["stdout"] == "out\n");
  CHECK(record["stderr"] == "err\n");
  CHECK(record["exit_code"] == 4);
}

TEST_CASE("run: leaves no output behind for logs") {
  TestDaemon daemon;
  daemon.tine({"run", "--", "echo", "gone"});

  CHECK(daemon.record("last")["stdout"].is_null());
  const auto logs = daemon.tine({"logs", "last"});
  CHECK(logs.exit_status == 1);
  CHECK_FALSE(logs.err.empty());
}

TEST_CASE("run: the caller's death ends the job and its children") {
  TestDaemon daemon;
  auto caller =
      daemon.tine_running({"run", "-w", daemon.folder(), "--shell", "sleep 600 & echo $$ >job.pid; wait"});
  const pid_t job = daemon.job_process("job");

  caller.kill(SIGKILL);

  CHECK(eventually([&] { return !is_alive(job); }));
  CHECK(eventually([&] { return daemon.record("last")["state"] == "cancelled"; }));
}

TEST_CASE("run: the caller's death ends the job without a daemon too") {
  TestDaemon daemon;
  auto caller =
      daemon.tine_running({"run", "-w", daemon.folder(), "--shell", "echo $$ >job.pid; exec sleep 600"});
  const pid_t job = daemon.job_process("job");

  daemon.kill9();
  caller.kill(SIGKILL);

  CHECK(eventually([&] { return !is_alive(job); }));
  daemon.start();
  CHECK(eventually([&] { return daemon.record("last")["state"] == "cancelled"; }));
}

TEST_CASE("run: forwards signals to the job") {
  TestDaemon daemon;
  const std::string body = "trap 'echo usr1; exit 9' USR1; echo $$ >job.pid; while :; do sleep 0.05; done";
  auto caller = daemon.tine_running({"run", "-w", daemon.folder(), "--shell", body});
  daemon.job_process("job");

  caller.kill(SIGUSR1);

  const auto finished = caller.wait();
  CHECK(finished.exit_status == 9);
  CHECK(finished.out == "usr1\n");
}

TEST_CASE("run: one that waits in line outlives tined and goes on with its caller's descriptors") {
  TestDaemon daemon;
  daemon.sh("for i in 1 2; do \"$tine\" submit -- sleep 600; done");
  auto piped = daemon.tine_running({"run", "--shell", "cat; echo err >&2; exit 5"}, "through\n");
  auto captured = daemon.tine_running({"run", "--json", "--", "cat"}, "kept\n");
  CHECK(eventually([&] {
    const auto jobs = daemon.status()["jobs"];
    return jobs["running"] == 2 && jobs["queued"] == 2;
  }));

  daemon.restart();
  CHECK(daemon.tine({"cancel", "1", "2"}).exit_status == 0);

  const auto first = piped.wait();
  CHECK(first.exit_status == 5);
  CHECK(first.out == "through\n");
  CHECK(first.err == "err\n");
  CHECK(Json::parse(captured.wait().out)["stdout"] == "kept\n");
}

TEST_CASE("run: one that waits in line is cancelled when its caller does not come back to the new tined") {
  TestDaemon daemon;
  daemon.sh("for i in 1 2; do \"$tine\" submit -- sleep 600; done");
  auto caller = daemon.tine_running({"run", "--", "touch", daemon.path("ran")});
  CHECK(eventually([&] {
    const auto jobs = daemon.status()["jobs"];
    return jobs["running"] == 2 && jobs["queued"] == 1;
  }));

  daemon.kill9();
  caller.kill(SIGKILL);
  daemon.start();
  daemon.tine({"cancel", "1", "2"});

  CHECK(eventually([&] { return daemon.record("3")["state"] == "cancelled"; }));
  CHECK(daemon.sh("test -e ran").exit_status != 0);
}
