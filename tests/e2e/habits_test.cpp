#include <doctest/doctest.h>
#include <signal.h>
#include <sys/stat.h>

#include "tests/support/eventually.hpp"
#include "tests/support/test_daemon.hpp"

using namespace tine::test;

namespace {

mode_t mode_of(const std::string& path) {
  struct stat about {};
  return ::stat(path.c_str(), &about) == 0 ? about.st_mode & 07777 : 0;
}

}  // namespace

TEST_CASE("cron: with an empty environment, without HOME and a terminal, it starts its daemon and runs") {
  TestDaemon daemon(without_a_daemon());

  const auto finished = daemon.sh(
      "setsid -w env -i TINE_CONFIG=\"$dir/tined.json\" \"$tine\" --state-dir \"$dir/state\" "
      "run --shell 'echo said; exit 3' </dev/null");

  CHECK(finished.out == "said\n");
  CHECK(finished.exit_status == 3);
}

TEST_CASE(
    "cron: with descriptors 0, 1 and 2 closed jobs are stored and run, and nothing writes into a socket") {
  TestDaemon daemon(without_a_daemon());

  CHECK(daemon.sh("\"$tine\" submit --shell 'echo o; echo e >&2' <&- >&- 2>&-").exit_status == 0);
  CHECK(
      daemon.sh("\"$tine\" run --shell 'ls /proc/self/fd | wc -l >\"$dir/fds\"' <&- >&- 2>&-").exit_status ==
      0);
  CHECK(daemon.wait("1")["stdout"] == "o\n");
  CHECK(daemon.wait("1")["stderr"] == "e\n");
}

TEST_CASE("umask: whatever it is the state is private, and the job has the submitter's") {
  for (const std::string mask : {"000", "077"}) {
    CAPTURE(mask);
    TestDaemon daemon(without_a_daemon());

    CHECK(daemon.sh("umask " + mask + "; \"$tine\" run --shell 'umask; >made'").out == "0" + mask + "\n");

    CHECK(mode_of(daemon.path("state")) == 0700);
    CHECK(mode_of(daemon.socket()) == 0600);
    CHECK(mode_of(daemon.path("made")) == (mask == "000" ? 0666 : 0600));
    CHECK(daemon.sh("find state -type f -perm /077").out == "");
  }
}

TEST_CASE("shutdown --timeout and --now: what still runs is cancelled") {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"shutdown", "--timeout", "100ms"}, {"shutdown", "--now"}}) {
    TestDaemon daemon;
    daemon.submit({"--shell", "echo $$ >job.pid; exec sleep 600", "-w", daemon.folder()});
    const auto job = daemon.job_process("job");

    CHECK(daemon.tine(words).exit_status == 0);

    CHECK_FALSE(is_alive(job));
    daemon.start();
    CHECK(daemon.record("1")["state"] == "cancelled");
  }
}

TEST_CASE("log: to stderr as JSON, and what jobs print is not in it") {
  DaemonSetup setup = without_a_daemon();
  TestDaemon daemon(setup);
  auto tined = Running({TINED_PATH, "--log-format", "json", "--log-level", "debug"}, daemon.environment());
  REQUIRE(eventually([&] { return daemon.tine({"ping"}).exit_status == 0; }));

  daemon.tine({"run", "--json", "--shell", "echo unmistakable; echo unmistakable >&2"});
  daemon.wait(daemon.submit({"--shell", "echo unmistakable"}));
  tined.kill(SIGTERM);
  const auto finished = tined.wait();

  CHECK(finished.exit_status == 0);
  CHECK(finished.out.empty());
  CHECK(finished.err.find("unmistakable") == std::string::npos);
  const auto lines = json_lines(finished.err);
  CHECK_FALSE(lines.empty());
  for (const auto& line : lines)
    CHECK((line.contains("time") && line.contains("level") && line.contains("message")));
}

TEST_CASE("options: the long forms are the short ones") {
  TestDaemon daemon;
  const auto ran =
      daemon.tine({"run", "--workdir", daemon.folder(), "--env", "A=b", "--shell", "echo $A; pwd"});
  CHECK(ran.out == "b\n" + daemon.sh("pwd").out);
  const auto id = daemon.submit({"--workdir", daemon.folder(), "--env", "A=b", "--shell",
                                 "echo $A; seq 3; echo wrong >&2; touch done"});
  CHECK(daemon.wait(id)["state"] == "succeeded");
  CHECK(daemon.sh("test -e done").exit_status == 0);
  CHECK(daemon.tine({"logs", "--lines", "2", id}).out == "2\n3\n");
  CHECK(daemon.tine({"logs", "--stderr", id}).err == "wrong\n");
  CHECK(daemon.tine({"logs", "--follow", id}).out == "b\n1\n2\n3\n");
  auto following = daemon.tine_running({"events", "--follow", "--since", "0"});
  CHECK(eventually([&] { return following.out_so_far().find("job.finished") != std::string::npos; }));
  following.kill(SIGKILL);
  following.wait();
}
