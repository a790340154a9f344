#include <doctest/doctest.h>

#include "tests/support/eventually.hpp"
#include "tests/support/test_daemon.hpp"

using namespace tine::test;

namespace {

/// 'T' of a stopped process.
char process_state(pid_t pid) {
  const auto text = read_whole_file("/proc/" + std::to_string(pid) + "/stat");
  const auto at = text.rfind(')');
  return at == std::string::npos || at + 2 >= text.size() ? '?' : text[at + 2];
}

}  // namespace

TEST_CASE("pause: stops the whole tree, and its time-out; resume lets it go on") {
  TestDaemon daemon;
  const auto id = daemon.submit({"-w", daemon.folder(), "-t", "5s", "--shell",
                                 "sleep 600 & echo $! >child; echo $$ >$TINE_JOB_ID.pid; sleep 600"});
  const pid_t pid = daemon.job_process(id);
  CHECK(daemon.tine({"pause", id}).exit_status == 0);
  const pid_t child = std::stoi(read_whole_file(daemon.path("child")));
  CHECK(eventually([&] { return process_state(pid) == 'T' && process_state(child) == 'T'; }));
  CHECK(daemon.record(id)["state"] == "running");
  CHECK(daemon.record(id)["paused"] == true);

  daemon.restart();
  CHECK(daemon.record(id)["paused"] == true);
  CHECK(daemon.tine({"wait", "--timeout", "5500ms", id}).exit_status == 124);
  CHECK(daemon.record(id)["state"] == "running");
  CHECK(daemon.tine({"resume", id}).exit_status == 0);
  CHECK(daemon.wait(id)["state"] == "timed_out");
}

TEST_CASE("pause and signals reach a worker that is not back yet with the new daemon") {
  TestDaemon daemon;
  const auto id =
      daemon.submit({"-w", daemon.folder(), "--shell",
                     "trap 'echo told >told' USR1; echo $$ >$TINE_JOB_ID.pid; while :; do sleep 0.05; done"});
  const pid_t pid = daemon.job_process(id);
  daemon.restart();

  CHECK(daemon.tine({"kill", "-s", "USR1", id}).exit_status == 0);
  CHECK(eventually([&] { return read_whole_file(daemon.path("told")) == "told\n"; }));
  daemon.restart();
  CHECK(daemon.tine({"pause", id}).exit_status == 0);
  CHECK(eventually([&] { return process_state(pid) == 'T'; }));
  CHECK(daemon.tine({"cancel", id}).exit_status == 0);
  CHECK(daemon.wait(id)["state"] == "cancelled");
}

TEST_CASE("pause: a paused job can be cancelled") {
  TestDaemon daemon;
  const auto id = daemon.submit({"-w", daemon.folder(), "--shell",
                                 "trap 'echo told; exit' TERM; echo $$ >$TINE_JOB_ID.pid; sleep 600 & wait"});
  const pid_t pid = daemon.job_process(id);
  CHECK(daemon.tine({"pause", id}).exit_status == 0);
  CHECK(eventually([&] { return process_state(pid) == 'T'; }));
  CHECK(daemon.tine({"cancel", id}).exit_status == 0);
  const auto record = daemon.wait(id);
  CHECK(record["state"] == "cancelled");
  CHECK(record["stdout"] == "told\n");
}

TEST_CASE("pause: of a function stops its worker, and its time-out") {
  TestDaemon daemon;
  const auto id = daemon.submit({"-t", "4s", "--fn", "sleep", "--args", "[600]"});
  CHECK(eventually([&] { return daemon.record(id)["state"] == "running"; }));
  CHECK(daemon.tine({"pause", id}).exit_status == 0);
  CHECK(daemon.tine({"wait", "--timeout", "4500ms", id}).exit_status == 124);
  CHECK(daemon.tine({"resume", id}).exit_status == 0);
  CHECK(daemon.wait(id)["state"] == "timed_out");
}

TEST_CASE("pause: only of what runs") {
  TestDaemon daemon;
  const auto ended = daemon.submit({"true"});
  daemon.wait(ended);
  CHECK(daemon.tine({"pause", ended}).exit_status == 1);
  CHECK(daemon.tine({"resume", ended}).exit_status == 1);
  CHECK(daemon.tine({"pause"}).exit_status == 2);
}

TEST_CASE("pool pause: starts nothing and stops what runs, over a restart; resume lets all go on") {
  TestDaemon daemon;
  CHECK(daemon.tine({"pool", "add", "p", "--size", "1"}).exit_status == 0);
  const auto running =
      daemon.submit({"-w", daemon.folder(), "-g", "p", "--shell", "echo $$ >$TINE_JOB_ID.pid; sleep 0.3"});
  const pid_t pid = daemon.job_process(running);
  CHECK(daemon.tine({"pool", "pause", "p"}).exit_status == 0);
  CHECK(eventually([&] { return process_state(pid) == 'T'; }));
  const auto queued = daemon.submit({"-g", "p", "true"});
  CHECK(daemon.tine({"why", queued}).out.find("pool p is paused") != std::string::npos);
  daemon.restart();
  CHECK(
      daemon.sh("\"$tine\" pool list --json | grep '\"name\":\"p\"' | grep -c '\"state\":\"paused\"'").out ==
      "1\n");
  CHECK(daemon.record(queued)["state"] == "queued");
  CHECK(daemon.tine({"pool", "resume", "p"}).exit_status == 0);
  CHECK(daemon.wait(running)["state"] == "succeeded");
  CHECK(daemon.wait(queued)["state"] == "succeeded");
}

TEST_CASE("pool remove: refused while it has jobs, and of the config's; then it is gone for good") {
  TestDaemon daemon;
  CHECK(daemon.tine({"pool", "add", "p", "--size", "1"}).exit_status == 0);
  const auto id = daemon.submit({"-g", "p", "sleep", "600"});
  CHECK(daemon.tine({"pool", "remove", "p"}).exit_status == 75);
  CHECK(daemon.tine({"pool", "remove", "default"}).exit_status == 2);
  CHECK(daemon.tine({"cancel", id}).exit_status == 0);
  daemon.wait(id);
  CHECK(daemon.tine({"pool", "remove", "p"}).exit_status == 0);
  CHECK(daemon.tine({"submit", "-g", "p", "true"}).exit_status == 2);
  daemon.restart();
  CHECK(daemon.tine({"submit", "-g", "p", "true"}).exit_status == 2);
  CHECK(daemon.record(id)["pool"] == "p");
}

TEST_CASE("slots: a job takes as many as it asks for, and waits for them") {
  TestDaemon daemon({R"({"pools":[{"name":"default","size":3}]})"});
  const auto one = daemon.submit({"sleep", "600"});
  CHECK(eventually([&] { return daemon.record(one)["state"] == "running"; }));
  const auto three = daemon.submit({"-w", daemon.folder(), "--slots", "3", "--shell", "echo three >>order"});
  const auto behind = daemon.submit({"-w", daemon.folder(), "--shell", "echo behind >>order"});
  CHECK(eventually([&] {
    return daemon.tine({"why", three}).out.find("waits for 3 slots") != std::string::npos;
  }));
  CHECK(daemon.record(behind)["state"] == "queued");
  CHECK(daemon.tine({"cancel", one}).exit_status == 0);
  CHECK(daemon.wait(three)["state"] == "succeeded");
  CHECK(daemon.wait(behind)["state"] == "succeeded");
  CHECK(read_whole_file(daemon.path("order")) == "three\nbehind\n");
  const auto refused = daemon.tine({"submit", "--slots", "4", "true"});
  CHECK(refused.exit_status == 2);
  CHECK(refused.err.find("allowed: 1 to 3") != std::string::npos);
}
