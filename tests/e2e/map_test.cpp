#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>
#include <set>
#include <thread>

#include "tests/support/eventually.hpp"
#include "tests/support/test_daemon.hpp"

using namespace tine::test;

namespace {

DaemonSetup with_the_module() {
  DaemonSetup setup;
  setup.config = R"({"pools": [{"name": "default", "size": 2}], "modules": [")" FOO_MODULE_PATH R"("]})";
  return setup;
}

std::string numbers(int count) {
  std::string lines;
  for (int i = 0; i < count; ++i) lines += std::to_string(i) + "\n";
  return lines;
}

std::vector<std::string> sorted_lines(const std::string& text) {
  auto lines = lines_of(text);
  std::sort(lines.begin(), lines.end());
  return lines;
}

}  // namespace

TEST_CASE("map: a function's results in the order of the lines") {
  TestDaemon daemon;
  std::string expected;
  for (int i = 0; i < 20000; ++i) expected += "[" + std::to_string(i) + "]\n";

  const auto finished = daemon.tine({"map", "--fn", "echo"}, numbers(20000));

  CHECK(finished.err.empty());
  CHECK(finished.exit_status == 0);
  CHECK(finished.out == expected);
}

TEST_CASE("map --unordered: every result once") {
  TestDaemon daemon;

  const auto finished = daemon.tine({"map", "--unordered", "-j", "2", "--fn", "echo"}, numbers(3000));

  CHECK(finished.exit_status == 0);
  CHECK(sorted_lines(finished.out) == sorted_lines(daemon.tine({"map", "--fn", "echo"}, numbers(3000)).out));
}

TEST_CASE("map --text and --star: a line as a string and as all the arguments") {
  TestDaemon daemon(with_the_module());

  CHECK(daemon.tine({"map", "--text", "--fn", "echo"}, "a \"b\"\n[1]").out ==
        "[\"a \\\"b\\\"\"]\n[\"[1]\"]\n");
  CHECK(daemon.tine({"map", "--star", "--fn", "add"}, "[1, 2]\n[3, 4]\n").out == "3\n7\n");
}

TEST_CASE("map: a failed item prints null and is told with its line and the rest goes on") {
  TestDaemon daemon(with_the_module());

  const auto finished = daemon.tine({"map", "--fn", "foo"}, "\"x\"\n{not json\n");
  const auto stars = daemon.tine({"map", "--star", "--fn", "add"}, "[1,2]\n7\n[1]\n[5,6]\n");

  CHECK(finished.exit_status == 1);
  CHECK(finished.out == "null\nnull\n");
  CHECK(finished.err.find("line 1: TypeError") != std::string::npos);
  CHECK(finished.err.find("line 2: ValueError") != std::string::npos);
  CHECK(stars.out == "3\nnull\nnull\n11\n");
}

TEST_CASE("map: a command's stdout whole and in order with the line in place of {}") {
  TestDaemon daemon;

  CHECK(daemon.tine({"map", "--", "echo", "<{}>", "{}"}, "a b\nc\n").out == "<a b> a b\n<c> c\n");
  CHECK(daemon.tine({"map", "--", "echo"}, "last\n").out == "last\n");
  const auto large =
      daemon.tine({"map", "--", "sh", "-c", "head -c 300000 /dev/zero | tr '\\0' {}"}, "x\ny\n");
  const bool is_whole = large.out == std::string(300000, 'x') + std::string(300000, 'y');
  CHECK(is_whole);
  CHECK(daemon.sh("ls state/output | grep -c '^4611' ").out == "0\n");
}

TEST_CASE("map: a command that fails prints null and its stderr is the caller's") {
  TestDaemon daemon;

  const auto finished = daemon.tine({"map", "--", "sh", "-c", "echo said {} >&2; exit {}"}, "0\n3\n");

  CHECK(finished.exit_status == 1);
  CHECK(finished.out == "null\n");
  CHECK(finished.err.find("said 3\n") != std::string::npos);
  CHECK(finished.err.find("line 2: exit code 3") != std::string::npos);
}

TEST_CASE("map --json: a record a line with its index") {
  TestDaemon daemon;

  const auto functions = json_lines(daemon.tine({"map", "--json", "--fn", "echo"}, "1\n2\n").out);
  const auto commands = json_lines(
      daemon.tine({"map", "--json", "--", "sh", "-c", "echo {}; echo e >&2; exit {}"}, "0\n4\n").out);

  REQUIRE(functions.size() == 2);
  CHECK(functions[1]["index"] == 1);
  CHECK(functions[1]["result"] == Json({2}));
  CHECK(functions[1]["state"] == "succeeded");
  REQUIRE(commands.size() == 2);
  CHECK(commands[1]["exit_code"] == 4);
  CHECK(commands[1]["stdout"] == "4\n");
  CHECK(commands[1]["stderr"] == "e\n");
}

TEST_CASE("map: runs in the caller's cwd and environment") {
  TestDaemon daemon;

  const auto finished = daemon.sh(
      "mkdir here; cd here; WORD=w; export WORD; echo x | \"$tine\" map -- sh -c 'pwd; echo $WORD; : {}'");

  CHECK(finished.out == daemon.path("here") + "\nw\n");
}

TEST_CASE("map: wrong usage is refused and nothing runs") {
  TestDaemon daemon;

  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"map"},
                                             {"map", "--fn", "nowhere"},
                                             {"map", "-g", "nowhere", "--fn", "echo"},
                                             {"map", "-j", "0", "--fn", "echo"},
                                             {"map", "--text", "--", "echo"},
                                             {"map", "--fn", "echo", "--", "true"}}) {
    const auto finished = daemon.tine(words, "1\n");
    CAPTURE(finished.err);
    CHECK(finished.exit_status == 2);
    CHECK(finished.out.empty());
    CHECK(std::count(finished.err.begin(), finished.err.end(), '\n') == 1);
  }
}

TEST_CASE("map: the client's death ends what it ran") {
  TestDaemon daemon;
  const std::string body = "echo $$ >" + daemon.path("job.pid") + "; sleep 600 & wait {}";
  auto client = daemon.tine_running({"map", "--", "sh", "-c", body}, "%1\n");
  const pid_t job = daemon.job_process("job");

  client.kill(SIGKILL);

  CHECK(eventually([&] { return !is_alive(job); }));
  CHECK(daemon.tine({"run", "true"}).exit_status == 0);
}

TEST_CASE("map: jobs of the same pool get their turn") {
  TestDaemon daemon;
  auto client = daemon.tine_running({"map", "--", "sleep", "{}"}, [] {
    std::string lines;
    for (int i = 0; i < 600; ++i) lines += "0.1\n";
    return lines;
  }());
  CHECK(eventually([&] { return daemon.status()["pools"][0]["workers"][0]["state"] == "busy"; }));

  CHECK(daemon.tine({"run", "true"}).exit_status == 0);
  CHECK_FALSE(client.has_ended());
}

TEST_CASE("map: workers killed in the middle fail what they ran and nothing else") {
  TestDaemon daemon;
  auto client = daemon.tine_running({"map", "--fn", "sleep"}, [] {
    std::string lines;
    for (int i = 0; i < 200; ++i) lines += "0.01\n";
    return lines;
  }());
  std::set<pid_t> killed;
  while (killed.size() < 5)
    REQUIRE(eventually([&] {
      const auto workers = daemon.status()["pools"][0]["workers"];
      if (workers.empty() || workers[0]["state"] != "busy") return false;
      const auto pid = workers[0]["pid"].get<pid_t>();  // a dead one may still be shown: another is meant
      return killed.insert(pid).second && ::kill(pid, SIGKILL) == 0;
    }));

  const auto finished = client.wait();
  const auto lines = sorted_lines(finished.out);
  CHECK(lines.size() == 200);
  CHECK(std::count(lines.begin(), lines.end(), "null") == 200);  // what sleep gives, and what a death gives
  CHECK(finished.err.find("WorkerDied") != std::string::npos);
  CHECK(finished.exit_status == 1);
}

TEST_CASE("map: a worker killed every 50 ms leaves each call one answer, right or worker_died") {
  TestDaemon daemon(with_the_module());
  const int count = 40000;
  std::string lines;
  for (int i = 0; i < count; ++i) lines += "[" + std::to_string(i) + ",1]\n";
  auto client = daemon.tine_running({"map", "--json", "--star", "--fn", "busy_add"}, lines);
  int killed = 0;
  while (!client.has_ended()) {
    const auto workers = daemon.status()["pools"][0]["workers"];
    const pid_t pid =
        workers.empty() ? 0 : workers[static_cast<std::size_t>(killed) % workers.size()]["pid"].get<pid_t>();
    if (pid > 1 && ::kill(pid, SIGKILL) == 0) ++killed;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }

  const auto records = json_lines(client.wait().out);

  REQUIRE(records.size() == count);
  int wrong = 0, died = 0;
  for (int i = 0; i < count; ++i) {
    const auto& record = records[static_cast<std::size_t>(i)];
    const bool is_dead = record["reason"] == "worker_died" && record["error"]["type"] == "WorkerDied";
    died += is_dead;
    wrong += record["index"] != i || (!is_dead && record["result"] != i + 1);
  }
  CHECK(wrong == 0);
  CHECK(died > 0);
  CHECK(died <= killed);
  MESSAGE(killed, " workers killed, ", died, " of them in a call");
}

TEST_CASE("map: an output that nobody reads stops the input") {
  TestDaemon daemon;

  // 100 MB would have to lie somewhere if it did not.
  const auto finished = daemon.sh(
      "yes 12345678 | head -n 11000000 | \"$tine\" map --fn echo | { sleep 1; "
      "awk '/^VmRSS/ { exit $2 > 200000 }' /proc/\"$(\"$tine\" ping --json | sed 's/.*\"pid\": "
      "*\\([0-9]*\\).*/\\1/')\"/status"
      " && echo small; head -n 1; }");

  CHECK(finished.out == "small\n[12345678]\n");
}
