#include <doctest/doctest.h>
#include <signal.h>

#include "tests/support/eventually.hpp"
#include "tests/support/test_daemon.hpp"

using namespace tine::test;

/// "After a job's end nothing it started is alive": every way to slip away, against every way to end.
namespace {

/// Starts one process of each kind, each of which writes its pid to pids/KIND, and then goes on as `rest`
/// says. They ignore what can be ignored. `sleep` is what keeps them: none ends by itself within the test.
std::string slip_away(const std::string& rest) {
  return R"sh(
mkdir pids
stay='trap "" TERM HUP INT QUIT USR1; echo $$ >pids/$0.new; mv pids/$0.new pids/$0; while :; do /bin/sleep 0.2; done'
sh -c "$stay" background &
setsid sh -c "$stay" session &
(setsid sh -c 'sh -c "$1" double-fork & exit' x "$stay" &)
env -i sh -c "$stay" no-environment &
(setsid env -i sh -c 'sh -c "$1" all-mixed & exit' x "$stay" &)
nohup sh -c "$stay" stopped >/dev/null 2>&1 & 
until [ "$(ls pids | grep -vc new)" = 6 ]; do sleep 0.02; done
kill -STOP $(cat pids/stopped)
touch all-there
)sh" + rest;
}

const std::string go_on = "exec sleep 600";

std::vector<pid_t> slipped_away(const TestDaemon& daemon) {
  REQUIRE(eventually([&] { return !daemon.sh("ls all-there").out.empty(); }));
  std::vector<pid_t> pids;
  for (const auto* kind :
       {"background", "session", "double-fork", "no-environment", "all-mixed", "stopped"}) {
    pids.push_back(std::atoi(read_whole_file(daemon.path(std::string("pids/") + kind)).c_str()));
    CAPTURE(kind);
    REQUIRE(is_alive(pids.back()));
  }
  return pids;
}

void check_all_gone(const TestDaemon& daemon, const std::vector<pid_t>& pids) {
  for (const pid_t pid : pids) {
    CAPTURE(daemon.sh("grep -l " + std::to_string(pid) + " pids/*").out);
    CHECK_FALSE(is_alive(pid));
  }
}

pid_t worker_of(const TestDaemon& daemon, const std::string& id) {
  return daemon.record(id)["worker"]["pid"].get<pid_t>();
}

pid_t parent_of(const TestDaemon& daemon, pid_t pid) {
  const pid_t parent = std::atoi(daemon.sh("ps -o ppid= -p " + std::to_string(pid)).out.c_str());
  REQUIRE(parent > 1);  // a signal to 0 would go to the process group of the test
  return parent;
}

}  // namespace

TEST_CASE("nothing is left alive: when the main process has ended") {
  TestDaemon daemon;
  const auto id = daemon.submit(
      {"-w", daemon.folder(), "--shell", slip_away("until [ -e gate ]; do sleep 0.02; done; exit 3")});
  const auto pids = slipped_away(daemon);

  write_whole_file(daemon.path("gate"), "");

  CHECK(daemon.tine({"wait", id}).exit_status == 3);
  check_all_gone(daemon, pids);  // at once: the end is told when all of them are gone
}

TEST_CASE("nothing is left alive: after a time-out") {
  TestDaemon daemon;
  const auto id = daemon.submit({"-t", "15", "--kill-after", "200ms", "-w", daemon.folder(), "--shell",
                                 slip_away("trap '' TERM; while :; do sleep 0.2; done")});
  const auto pids = slipped_away(daemon);

  CHECK(daemon.tine({"wait", id}).exit_status == 124);
  check_all_gone(daemon, pids);
}

TEST_CASE("nothing is left alive: after a cancel, also of a job that was adopted") {
  for (const bool restarted : {false, true}) {
    CAPTURE(restarted);
    TestDaemon daemon;
    const auto id =
        daemon.submit({"--kill-after", "200ms", "-w", daemon.folder(), "--shell", slip_away(go_on)});
    const auto pids = slipped_away(daemon);

    if (restarted) daemon.restart();
    CHECK(daemon.tine({"cancel", id}).exit_status == 0);

    CHECK(daemon.tine({"wait", id}).exit_status == 143);
    check_all_gone(daemon, pids);
  }
}

TEST_CASE("nothing is left alive: when an adopted job times out or ends without a daemon") {
  TestDaemon daemon;
  const auto id = daemon.submit(
      {"-t", "15", "--kill-after", "100ms", "-w", daemon.folder(), "--shell", slip_away(go_on)});
  const auto pids = slipped_away(daemon);

  daemon.kill9();

  CHECK(eventually([&] { return !is_alive(pids.back()); }));
  daemon.start();
  CHECK(daemon.tine({"wait", id}).exit_status == 124);
  check_all_gone(daemon, pids);
}

TEST_CASE("nothing is left alive: when the worker is killed") {
  TestDaemon daemon;
  const auto id = daemon.submit({"-w", daemon.folder(), "--shell", slip_away(go_on)});
  const auto pids = slipped_away(daemon);

  ::kill(worker_of(daemon, id), SIGKILL);

  CHECK(daemon.tine({"wait", id}).exit_status == 125);
  check_all_gone(daemon, pids);
}

TEST_CASE("nothing is left alive: when the zygote is killed and the job ends") {
  TestDaemon daemon;
  const auto id = daemon.submit(
      {"-w", daemon.folder(), "--shell", slip_away("until [ -e gate ]; do sleep 0.02; done; exit 3")});
  const auto pids = slipped_away(daemon);

  ::kill(parent_of(daemon, worker_of(daemon, id)), SIGKILL);
  write_whole_file(daemon.path("gate"), "");

  CHECK(daemon.tine({"wait", id}).exit_status == 3);
  check_all_gone(daemon, pids);
}

TEST_CASE("nothing is left alive: when zygote and worker are killed, in either order") {
  for (const bool zygote_first : {true, false}) {
    CAPTURE(zygote_first);
    TestDaemon daemon;
    const auto id = daemon.submit({"-w", daemon.folder(), "--shell", slip_away(go_on)});
    const auto pids = slipped_away(daemon);
    const pid_t worker = worker_of(daemon, id), zygote = parent_of(daemon, worker);

    // Stopped, the zygote sees nothing of the worker's death before its own.
    ::kill(zygote, zygote_first ? SIGKILL : SIGSTOP);
    ::kill(worker, SIGKILL);
    ::kill(zygote, SIGKILL);

    CHECK(daemon.tine({"wait", id}).exit_status == 125);
    check_all_gone(daemon, pids);
  }
}

TEST_CASE("nothing is left alive: when worker, zygote and tined are killed, but what left without a trace") {
  TestDaemon daemon;
  const auto id = daemon.submit({"-w", daemon.folder(), "--shell", slip_away(go_on)});
  auto pids = slipped_away(daemon);
  const pid_t worker = worker_of(daemon, id), zygote = parent_of(daemon, worker);

  daemon.kill9();
  ::kill(zygote, SIGKILL);
  ::kill(worker, SIGKILL);
  daemon.start();

  CHECK(daemon.tine({"wait", id}).exit_status == 125);
  // The exception that the README names: no environment, no session, no keeper.
  const pid_t exempt = std::atoi(read_whole_file(daemon.path("pids/all-mixed")).c_str());
  REQUIRE(exempt > 1);
  std::erase(pids, exempt);
  check_all_gone(daemon, pids);
  ::kill(exempt, SIGKILL);
}

TEST_CASE("nothing is left alive: of a function that forked") {
  TestDaemon daemon(
      {R"({"pools": [{"name": "default", "size": 1}], "modules": [")" FOO_MODULE_PATH R"("]})"});
  const auto id = daemon.submit({"--fn", "fork", "--args", "[]", "-w", daemon.folder()});

  const pid_t child = std::stoi(daemon.wait(id)["result"].dump());

  CHECK(child > 0);
  CHECK_FALSE(is_alive(child));
}

TEST_CASE("nothing is left alive: of a callback that ran out of time") {
  TestDaemon daemon({R"({"pools": [{"name": "default", "size": 1}], "callback_timeout": "15s"})"});
  const auto id = daemon.submit({"-w", daemon.folder(), "--callback", slip_away(go_on), "--shell", "exit 0"});
  const auto pids = slipped_away(daemon);

  CHECK(eventually([&] { return daemon.record(id)["callback"]["state"] == "failed"; }));
  CHECK(daemon.record(id)["callback"]["exit_code"] == 124);
  check_all_gone(daemon, pids);
}
