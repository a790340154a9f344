#include <doctest/doctest.h>

#include "tests/support/test_daemon.hpp"

using namespace tine::test;

TEST_CASE("max-output: the rest is cut and counted, and the job goes on") {
  TestDaemon daemon;
  const auto id = daemon.submit({"-w", daemon.folder(), "--max-output", "10", "--shell",
                                 "printf 0123456789abc; printf error >&2; seq 100000; echo x >done"});
  const auto record = daemon.wait(id);
  CHECK(record["state"] == "succeeded");
  CHECK(record["stdout"] == "0123456789");
  CHECK(record["stdout_bytes"] == 13 + 588895);
  CHECK(record["stdout_dropped_bytes"] == 3 + 588895);
  CHECK(record["stderr"] == "error");
  CHECK_FALSE(record.contains("stderr_dropped_bytes"));
  CHECK(daemon.tine({"logs", id}).out == "0123456789");
  CHECK(read_whole_file(daemon.path("done")) == "x\n");

  const auto large = daemon.wait(daemon.submit({"--max-output", "100K", "--shell", "seq 100000"}));
  CHECK(large["stdout_dropped_bytes"] == 588895 - 102400);
  CHECK(daemon.tine({"logs", std::to_string(large["id"].get<int>())}).out.size() == 102400);
}

TEST_CASE("max-output: of a function's output, too") {
  TestDaemon daemon;
  const auto whole = daemon.wait(daemon.submit({"--max-output", "1M", "--fn", "echo", "--args", "[1]"}));
  CHECK(whole["state"] == "succeeded");
  CHECK(daemon.tine({"submit", "--max-output", "much", "true"}).exit_status == 2);
}

TEST_CASE("max-memory: each of its processes gets no more") {
  TestDaemon daemon;
  const auto id = daemon.submit({"--max-memory", "64M", "--", "python3", "-c", "x = bytearray(200 << 20)"});
  const auto record = daemon.wait(id);
  CHECK(record["state"] == "failed");
  CHECK(record["stderr"].get<std::string>().find("MemoryError") != std::string::npos);
  CHECK(daemon.wait(daemon.submit({"--max-memory", "64M", "true"}))["state"] == "succeeded");
  CHECK(daemon.tine({"submit", "--max-memory", "1K", "true"}).exit_status == 2);
}

TEST_CASE("nice: the job gives way") {
  TestDaemon daemon;
  const auto plain = daemon.wait(daemon.submit({"nice"}));
  const auto record = daemon.wait(daemon.submit({"--nice", "5", "nice"}));
  CHECK(std::stoi(record["stdout"].get<std::string>()) == std::stoi(plain["stdout"].get<std::string>()) + 5);
  CHECK(daemon.tine({"submit", "--nice", "20", "true"}).exit_status == 2);
}
