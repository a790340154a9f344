#include <doctest/doctest.h>

#include <algorithm>

#include "tests/support/test_daemon.hpp"

using namespace tine::test;

TEST_CASE("submit: prints the id alone") {
  TestDaemon daemon;

  const auto first = daemon.tine({"submit", "true"});
  const auto second = daemon.tine({"apply-async", "--json", "--", "true"});

  CHECK(first.exit_status == 0);
  const auto id = std::stoull(first.out);
  CHECK(first.out == std::to_string(id) + "\n");
  CHECK(Json::parse(second.out)["id"].get<unsigned long long>() > id);
}

TEST_CASE("submit: the record has every field") {
  TestDaemon daemon;

  const auto id =
      daemon.submit({"-n", "greet", "--label", "a=1", "--label", "b=x=y", "--", "echo", "hello", "a b"});
  const auto record = daemon.wait(id);

  for (const char* key :
       {"schema",      "id",         "name",         "pool",         "kind",    "command",      "function",
        "args",        "state",      "reason",       "exit_code",    "signal",  "result",       "error",
        "stdout",      "stderr",     "stdout_bytes", "stderr_bytes", "attempt", "submitted_at", "started_at",
        "finished_at", "duration_s", "worker",       "usage",        "labels",  "array_index",  "callback"}) {
    CAPTURE(key);
    CHECK(record.contains(key));
  }
  CHECK(record["schema"] == 1);
  CHECK(record["id"] == std::stoull(id));
  CHECK(record["name"] == "greet");
  CHECK(record["pool"] == "default");
  CHECK(record["kind"] == "command");
  CHECK(record["command"] == Json({"echo", "hello", "a b"}));
  CHECK(record["state"] == "succeeded");
  CHECK(record["reason"] == "exit");
  CHECK(record["exit_code"] == 0);
  CHECK(record["signal"].is_null());
  CHECK(record["stdout"] == "hello a b\n");
  CHECK(record["stdout_bytes"] == 10);
  CHECK(record["attempt"] == 1);
  CHECK(record["labels"] == Json({{"a", "1"}, {"b", "x=y"}}));
  CHECK(record["submitted_at"].get<std::string>().size() ==
        std::string("2026-11-23T06:39:00.000001Z").size());
  CHECK(record["submitted_at"] <= record["started_at"]);
  CHECK(record["started_at"] <= record["finished_at"]);
  CHECK(record["callback"].is_null());
}

TEST_CASE("submit: a signal is named in the record") {
  TestDaemon daemon;

  const auto record = daemon.wait(daemon.submit({"--shell", "kill -KILL $$"}));

  CHECK(record["state"] == "failed");
  CHECK(record["reason"] == "signal");
  CHECK(record["signal"] == "SIGKILL");
}

TEST_CASE("submit: the job has the submitter's environment and cwd and umask") {
  TestDaemon daemon;

  const auto id = daemon
                      .sh("mkdir here; cd here; umask 031; FROM=submitter \"$tine\" submit --shell 'pwd; "
                          "umask; echo $FROM'")
                      .out;

  CHECK(daemon.wait(id.substr(0, id.find('\n')))["stdout"] == daemon.path("here") + "\n0031\nsubmitter\n");
}

TEST_CASE("submit: -e and --clean-env and -w change them") {
  TestDaemon daemon;

  const auto id = daemon.submit(
      {"--clean-env", "-e", "A=1", "-e", "B=two words", "-w", "/", "--shell", "echo $A,$B,$HOME,$PWD"});

  CHECK(daemon.wait(id)["stdout"] == "1,two words,,/\n");
}

TEST_CASE("submit: the job is told who it is") {
  TestDaemon daemon;

  const auto id = daemon.submit(
      {"--shell", "echo $TINE_JOB_ID $TINE_ATTEMPT $TINE_POOL $TINE_SOCKET ${TINE_SLOT:+slot}"});

  CHECK(daemon.wait(id)["stdout"] == id + " 1 default " + daemon.socket() + " slot\n");
}

TEST_CASE("submit: the job has descriptors 0 and 1 and 2 and no other") {
  TestDaemon daemon;

  // ls itself opens the folder it lists: 3.
  CHECK(daemon.wait(daemon.submit({"--", "ls", "/proc/self/fd"}))["stdout"] == "0\n1\n2\n3\n");
}

TEST_CASE("submit: a job's signals are at their defaults") {
  TestDaemon daemon;

  const auto id =
      daemon.submit({"--", "grep", "-E", "^Sig(Blk|Ign):.(0{16}|0000000180000000)$", "/proc/self/status"});

  // 32 and 33 belong to the C library: its posix_spawn leaves them ignored, and no program can use them.
  const auto out = daemon.wait(id)["stdout"].get<std::string>();
  CHECK(std::count(out.begin(), out.end(), '\n') == 2);
}

TEST_CASE("submit --stdin: a file is opened at the start and - is copied before") {
  TestDaemon daemon;
  write_whole_file(daemon.path("input"), "from a file");

  CHECK(daemon.wait(daemon.submit({"--stdin", daemon.path("input"), "--", "cat"}))["stdout"] ==
        "from a file");
  const auto id = daemon.tine({"submit", "--stdin", "-", "--", "cat"}, "from a pipe").out;
  CHECK(daemon.wait(id.substr(0, id.find('\n')))["stdout"] == "from a pipe");
  CHECK(daemon.wait(daemon.submit({"--", "cat"}))["stdout"] == "");
}

TEST_CASE("submit --wait: prints the record alone and exits with the job's code") {
  TestDaemon daemon;

  const auto finished = daemon.tine({"submit", "--wait", "--shell", "echo said; exit 6"});

  CHECK(finished.exit_status == 6);
  const auto lines = json_lines(finished.out);
  REQUIRE(lines.size() == 1);
  CHECK(lines[0]["stdout"] == "said\n");
}

TEST_CASE("submit: a higher priority goes before all that wait, however many were chosen to be next") {
  TestDaemon daemon({R"({"pools": [{"name": "default", "size": 1}]})"});
  daemon.submit({"-w", daemon.folder(), "--shell", "while [ ! -e gate ]; do sleep 0.02; done"});
  for (int i = 0; i < 14; ++i) daemon.submit({"-w", daemon.folder(), "--shell", "echo low >>order"});
  daemon.submit({"-w", daemon.folder(), "--priority", "1", "--shell", "echo high >>order"});
  write_whole_file(daemon.path("gate"), "");

  CHECK(daemon.tine({"wait", "--all"}).exit_status == 0);
  CHECK(read_whole_file(daemon.path("order")).substr(0, 9) == "high\nlow\n");
}

TEST_CASE("submit: a higher priority goes first") {
  TestDaemon daemon({R"({"pools": [{"name": "default", "size": 1}]})"});
  const std::string wait_for_gate = "while [ ! -e gate ]; do sleep 0.02; done";
  daemon.submit({"-w", daemon.folder(), "--shell", wait_for_gate});

  daemon.submit({"-w", daemon.folder(), "--shell", "echo low >>order"});
  daemon.submit({"-w", daemon.folder(), "--priority", "-5", "--shell", "echo lowest >>order"});
  daemon.submit({"-w", daemon.folder(), "--priority", "5", "--shell", "echo high >>order"});
  write_whole_file(daemon.path("gate"), "");

  CHECK(daemon.tine({"wait", "--all"}).exit_status == 0);
  CHECK(read_whole_file(daemon.path("order")) == "high\nlow\nlowest\n");
}
