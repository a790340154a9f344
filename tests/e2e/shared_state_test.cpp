#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/shared/queue.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/test_daemon.hpp"

using namespace tine::test;
using namespace std::chrono_literals;

namespace {

bool is_free(const TestDaemon& daemon, const std::string& lock) {
  return daemon.tine({"lock", "run", lock, "--timeout", "0", "--", "true"}).exit_status == 0;
}

TEST_CASE("shared state: what a job took comes back at the head when it ends without ack") {
  TestDaemon daemon;
  REQUIRE(daemon.tine({"queue", "put", "q", "1", "2"}).exit_status == 0);
  CHECK(daemon.tine({"queue", "take", "q"}).exit_status == 2);
  const auto first = daemon.tine({"run", "--shell", "$tine queue take q; $tine queue size q"});
  CHECK(first.exit_status == 0);
  const auto lines = json_lines(first.out);
  REQUIRE(lines.size() == 2);
  CHECK(lines[0]["value"] == 1);
  CHECK(lines[0]["deliveries"] == 1);
  CHECK(lines[1] == 1);
  CHECK(eventually([&] { return daemon.tine({"queue", "size", "q"}).out == "2\n"; }, 1s));
  const auto again = daemon.tine({"run", "--shell",
                                  "item=$($tine queue take q); echo \"$item\"; $tine queue ack q $(echo "
                                  "\"$item\" | sed 's/.*receipt\":\"\\([^\"]*\\).*/\\1/')"});
  CHECK(again.exit_status == 0);
  CHECK(json_lines(again.out)[0]["deliveries"] == 2);
  CHECK(daemon.tine({"queue", "get", "q"}).out == "2\n");
  CHECK(daemon.tine({"queue", "ack", "q", "1.2"}).exit_status == 1);
}

TEST_CASE("shared state: a job's lock is held to its end, by all of it, and no longer") {
  TestDaemon daemon;
  CHECK(daemon.tine({"lock", "acquire", "l"}).exit_status == 2);
  const auto id =
      daemon.submit({"--shell", "$tine lock acquire l && $tine lock run l -- touch $dir/held; sleep 60"});
  REQUIRE(eventually([&] { return ::access(daemon.path("held").c_str(), F_OK) == 0; }));
  const auto list = json_lines(daemon.tine({"lock", "list", "--json"}).out);
  REQUIRE(list.size() == 1);
  CHECK(list[0]["name"] == "l");
  CHECK(list[0]["owner"]["job"] == std::stoi(id));
  CHECK(list[0]["waiters"] == 0);
  CHECK(daemon.tine({"lock", "run", "l", "--timeout", "100ms", "--", "true"}).exit_status == 75);
  SUBCASE("cancelled") { daemon.tine({"cancel", id}); }
  SUBCASE("its tined is killed before") {
    const auto process = json_lines(daemon.tine({"show", id}).out)[0]["worker"]["pid"].get<pid_t>();
    daemon.kill9();
    CHECK_FALSE(is_free(daemon, "l"));
    ::kill(process, SIGKILL);
  }
  CHECK(eventually([&] { return is_free(daemon, "l"); }, 3s));
  if (daemon.pid() == 0) daemon.start();
}

TEST_CASE("shared state: lock run passes on the command's exit code and signals") {
  TestDaemon daemon;
  CHECK(daemon.sh("$tine lock run l -- sh -c 'exit 7'").exit_status == 7);
  CHECK(daemon.sh("$tine lock run l -- sh -c 'kill -9 $$'").exit_status == 137);
  CHECK(daemon.sh("$tine lock run l -- nonesuch").exit_status == 127);
  CHECK(daemon.sh("$tine lock run l -- /etc/passwd").exit_status == 126);
  CHECK(daemon.sh("$tine lock run l").exit_status == 2);
  CHECK(daemon.sh("$tine lock run --timeout 1 l -- $tine lock run l -- $tine --json lock list")
            .out.find("\"depth\":2") != std::string::npos);
  auto running = daemon.tine_running({"lock", "run", "l", "--", "sleep", "60"});
  REQUIRE(eventually([&] { return !is_free(daemon, "l"); }));
  running.kill(SIGTERM);
  CHECK(running.wait(10s).exit_status == 143);
  CHECK(is_free(daemon, "l"));
}

TEST_CASE("shared state: a killed lock run takes its command's whole tree along, and then the lock is free") {
  TestDaemon daemon;
  auto running = daemon.tine_running(
      {"lock", "run", "l", "--", "sh", "-c",
       "(trap '' TERM HUP; sleep 60; touch $dir/late) & setsid sleep 60 & echo $! >$dir/pid; wait"});
  REQUIRE(eventually([&] { return !read_whole_file(daemon.path("pid")).empty() && !is_free(daemon, "l"); }));
  const pid_t deep = std::stoi(read_whole_file(daemon.path("pid")));
  running.kill(SIGKILL);
  CHECK(eventually([&] { return is_free(daemon, "l"); }, 2s));
  CHECK_FALSE(is_alive(deep));
}

TEST_CASE("shared state: a waiting lock run can be interrupted") {
  TestDaemon daemon;
  auto holder = daemon.tine_running({"lock", "run", "l", "--", "sleep", "60"});
  REQUIRE(eventually([&] { return !is_free(daemon, "l"); }));
  auto waiter = daemon.tine_running({"lock", "run", "l", "--", "true"});
  REQUIRE(eventually([&] {
    return daemon.tine({"lock", "list", "--json"}).out.find("\"waiters\":1") != std::string::npos;
  }));
  waiter.kill(SIGINT);
  CHECK(waiter.wait(10s).exit_status == 130);
  holder.kill(SIGTERM);
  holder.wait(10s);
}

TEST_CASE("shared state: functions work in the memory itself, and what they leave locked is freed") {
  DaemonSetup setup;
  setup.config = R"({"pools": [{"name": "default", "size": 2}], "modules": [")" FOO_MODULE_PATH R"("]})";
  TestDaemon daemon(setup);
  REQUIRE(daemon.tine({"array", "create", "a", "i", "40"}).exit_status == 0);
  CHECK(daemon.tine({"run", "--fn", "shared_add", "--args", R"(["a", 2])"}).out == "42\n");
  CHECK(daemon.tine({"array", "get", "a", "0"}).out == "42\n");
  CHECK(daemon.tine({"run", "--fn", "shared_add", "--args", R"(["none", 2])"}).exit_status == 1);
  CHECK(daemon.tine({"run", "--fn", "shared_leave_locked", "--args", R"(["l"])"}).exit_status == 0);
  CHECK(eventually([&] { return is_free(daemon, "l"); }, 2s));
}

TEST_CASE("shared state: a job finds the memory of a daemon whose socket is elsewhere") {
  TestDaemon daemon({"", false, {}});
  REQUIRE(daemon.sh("mkdir other; $tined -d --state-dir $dir/st --socket $dir/other/s").exit_status == 0);
  const auto far = [&](const std::string& words) {
    return daemon.sh("unset TINE_STATE_DIR; TINE_SOCKET=$dir/other/s; export TINE_SOCKET; $tine " + words);
  };
  CHECK(far("run --shell '$tine dict set d k 1'").exit_status == 0);
  CHECK(daemon.sh("$tine --state-dir $dir/st dict get d k").out == "1\n");
  CHECK(far("shutdown --now").exit_status == 0);
  CHECK(eventually([&] { return ::access(daemon.path("other/s.state").c_str(), F_OK) != 0; }));
}

TEST_CASE("shared state: shared_memory_bytes bounds it, and what does not fit is exit 73") {
  DaemonSetup setup;
  setup.config = R"({"shared_memory_bytes": "1M"})";
  TestDaemon daemon(setup);
  CHECK(daemon.tine({"array", "create", "a", "d", "--size", "1000000"}).exit_status == 73);
  CHECK(daemon.tine({"array", "create", "a", "d", "--size", "1000"}).exit_status == 0);
  CHECK(daemon.tine({"array", "create", "a", "d", "--size", "1000"}).exit_status == 73);
}

TEST_CASE(
    "shared state: it lives through kill -9 and restarts of the daemon, what another boot left does not") {
  TestDaemon daemon;
  REQUIRE(daemon.sh("$tine array create a i 1 2; $tine dict set d k v; $tine queue put q 1").exit_status ==
          0);
  daemon.restart();
  CHECK(daemon
            .sh("$tine array get a 1; $tine dict get d k; $tine queue size q; $tine doctor >/dev/null && "
                "echo whole")
            .out == "2\nv\n1\nwhole\n");
  daemon.kill9();
  REQUIRE(daemon.sh("printf '#' | dd of=state/shared/a.array bs=1 seek=24 conv=notrunc").exit_status == 0);
  daemon.start();
  CHECK(eventually([&] { return daemon.log().find("array a was of another boot") != std::string::npos; }));
  CHECK(daemon.tine({"array", "get", "a"}).exit_status == 1);
}

TEST_CASE("shared state: a process that is stopped in the middle of a write does not stop the daemon") {
  TestDaemon daemon;
  REQUIRE(daemon.tine({"queue", "put", "q", "1"}).exit_status == 0);
  std::fflush(nullptr);
  const pid_t stopped = ::fork();
  if (stopped == 0) {
    const auto folder = *tine::shared::Folder::open(daemon.path("state"));
    const auto segment = *folder.attach(tine::shared::Kind::queue, "q");
    reinterpret_cast<tine::shared::QueueRecord*>(segment->memory() + tine::shared::header_bytes)
        ->mutex.lock();
    ::raise(SIGSTOP);
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(stopped, &status, WUNTRACED);
  // A job that ends with a mark makes the daemon look at every queue.
  CHECK(daemon.tine({"run", "--shell", "$tine lock acquire l"}).exit_status == 0);
  for (int i = 0; i < 20; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    CHECK(daemon.tine({"ping"}).exit_status == 0);
    CHECK(std::chrono::steady_clock::now() - begin < 900ms);
  }
  CHECK(eventually([&] { return is_free(daemon, "l"); }, 2s));
  CHECK(daemon.tine({"queue", "get", "q", "--timeout", "300ms"}).exit_status == 124);
  ::kill(stopped, SIGCONT);
  ::waitpid(stopped, &status, 0);
  CHECK(daemon.tine({"queue", "get", "q", "--timeout", "5"}).out == "1\n");
}

}  // namespace
