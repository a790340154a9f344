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
  const auto of_function = daemon.tine({"submit", "--max-memory", "64M", "--fn", "echo"});
  CHECK(of_function.exit_status == 2);
  CHECK(of_function.err.find("max_memory: of commands alone") != std::string::npos);
}

TEST_CASE("max-memory: where tined has a cgroup v2 to itself, the job as a whole gets no more") {
  TestDaemon daemon(without_a_daemon());
  const auto placed = daemon.sh(R"(
own=$(sed -n 's/^0:://p' /proc/self/cgroup) && top=$(dirname "/sys/fs/cgroup$own" )
grep memory "$top/cgroup.subtree_control" || exit 77
mkdir "$top/tine-$$" && echo "$top/tine-$$" >group && echo $$ >"$top/tine-$$/cgroup.procs" && exec "$tined" -d)");
  if (placed.exit_status != 0) {
    daemon.sh("rmdir \"$(cat group)\"");
    MESSAGE("not tried: no memory controller of cgroup v2: ", placed.err);
    return;
  }
  const std::string group = daemon.sh("cat group").out.substr(0, daemon.sh("cat group").out.find('\n'));
  const auto groups = [&] { return daemon.sh("cd '" + group + "' && echo */").out; };
  const auto eat = [](int megabytes, const std::string& then) {
    return "import time; x = bytearray(b'x') * (" + std::to_string(megabytes) + " << 20); " + then;
  };
  CHECK(Json::parse(daemon.tine({"status", "--json"}).out)["daemon"]["max_memory_by"] == "cgroup");

  const auto over = daemon.wait(daemon.submit({"--max-memory", "40M", "--", "python3", "-c", eat(100, "")}));
  CHECK(over["reason"] == "oom");
  CHECK(daemon.wait(daemon.submit({"--max-memory", "80M", "--", "python3", "-c", eat(30, "")}))["state"] ==
        "succeeded");
  const std::string child = "python3 -c \"" + eat(30, "time.sleep(60)") + "\" & ";
  const auto together =
      daemon.wait(daemon.submit({"--max-memory", "60M", "--shell", child + child + child + "wait"}));
  CHECK(together["reason"] == "oom");
  CHECK(groups() == "tined-itself/\n");

  // The bound stands aside for a daemon that is put where the old one was, and comes back beneath it.
  const auto id = daemon.submit({"--max-memory", "60M", "--", "sleep", "60"});
  REQUIRE(eventually([&] { return daemon.record(id)["state"] == "running"; }));
  const auto bound = [&] { return daemon.sh("cat '" + group + "'/job-*/memory.max").out; };
  CHECK(bound() == "62914560\n");
  daemon.sh("kill -9 " + Json::parse(daemon.tine({"status", "--json"}).out)["daemon"]["pid"].dump());
  REQUIRE(eventually(
      [&] { return daemon.sh("grep memory '" + group + "/cgroup.subtree_control'").exit_status == 1; }));
  REQUIRE(daemon.sh("echo $$ >'" + group + "/cgroup.procs' && exec \"$tined\" -d").exit_status == 0);
  CHECK(eventually([&] { return bound() == "62914560\n"; }));
  daemon.sh("kill -9 " + daemon.record(id)["worker"]["pid"].dump());
  CHECK(daemon.wait(id)["state"] == "lost");
  CHECK(eventually([&] { return groups() == "tined-itself/\n"; }));

  CHECK(daemon.tine({"shutdown", "--now"}).exit_status == 0);
  CHECK(eventually(
      [&] { return daemon.sh("rmdir '" + group + "/tined-itself' '" + group + "'").exit_status == 0; }));
}

TEST_CASE("max-memory: who bounds it is told, with the reason") {
  TestDaemon daemon;
  const auto about = Json::parse(daemon.tine({"status", "--json"}).out)["daemon"];
  CHECK((about["max_memory_by"] == "rlimit" || about["max_memory_by"] == "cgroup"));
  const auto doctor = daemon.tine({"doctor"}).out;
  CHECK(doctor.find(about["max_memory_why"].get<std::string>()) != std::string::npos);
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
else group=$(dirname "/sys/fs/cgroup$v2" )/tine-$$ limit=memory.max; fi
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
