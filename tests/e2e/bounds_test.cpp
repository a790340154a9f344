#include <doctest/doctest.h>

#include "tests/support/eventually.hpp"
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

TEST_CASE("oom: a job that the kernel kills for want of memory says so") {
  TestDaemon daemon(without_a_daemon());
  // A memory cgroup of our own, v1 or v2, for the daemon and all that is below it.
  const auto placed = daemon.sh(R"(
v1=$(sed -n 's/^[0-9]*:memory://p' /proc/self/cgroup) v2=$(sed -n 's/^0:://p' /proc/self/cgroup)
if [ -n "$v1" ]; then group=/sys/fs/cgroup/memory$v1/tine-$$ limit=memory.limit_in_bytes
else group=/sys/fs/cgroup$v2/tine-$$ limit=memory.max; fi
mkdir "$group" && echo "$group" >group && echo 400M >"$group/$limit" && echo $$ >"$group/cgroup.procs" || exit 77
"$tined" -d)");
  if (placed.exit_status != 0) {
    daemon.sh("rmdir \"$(cat group)\"");
    MESSAGE("not tried: no memory cgroup can be made: ", placed.err);
    return;
  }

  const auto record = daemon.wait(daemon.submit({"tail", "/dev/zero"}));
  const auto plain = daemon.wait(daemon.submit({"--shell", "kill -9 $$"}));

  CHECK(record["state"] == "failed");
  CHECK(record["reason"] == "oom");
  CHECK(record["signal"] == "SIGKILL");
  CHECK(plain["reason"] == "signal");
  CHECK(daemon.tine({"shutdown", "--now"}).exit_status == 0);
  CHECK(eventually([&] { return daemon.sh("rmdir \"$(cat group)\"").exit_status == 0; }));
}
