#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>

#include "tests/support/eventually.hpp"
#include "tests/support/test_daemon.hpp"

using namespace tine::test;

namespace {

/// A daemon whose function `f` this shell script answers; it has $id and $args of the request.
DaemonSetup with(const std::string& body) {
  const std::string script =
      R"(while read -r request; do rest=${request#*:}; id=${rest%%,*}; args=${request#*'"args":'}; args=${args%?}; )" +
      body + "; done";
  DaemonSetup setup;
  setup.config = Json{{"pools", {{{"name", "default"}, {"size", 1}}}},
                      {"functions", {{{"name", "f"}, {"command", {"sh", "-c", script}}}}}}
                     .dump();
  return setup;
}

/// A line of the script that answers; `value` is a shell word.
std::string result(const std::string& value) { return R"(printf '{"id":%s,"result":%s}\n' $id )" + value; }

/// Tells of what is not; the test has nothing to do then.
bool is_there(const std::string& program) {
  const bool found =
      Running({"sh", "-c", "command -v \"$0\"", program}, environment_with({})).wait().exit_status == 0;
  if (!found) MESSAGE("SKIPPED: there is no ", program);
  return found;
}

}  // namespace

TEST_CASE("co-process function: one program answers jobs and map, once a worker") {
  TestDaemon daemon(with(result("$$")));

  const auto first = daemon.tine({"run", "--fn", "f", "--args", "[1]"});
  const auto mapped = daemon.tine({"map", "--fn", "f"}, "1\n2\n");

  CHECK(first.exit_status == 0);
  CHECK(std::stoi(first.out) > 1);
  CHECK(mapped.err == "");
  CHECK(mapped.out == first.out + first.out);
}

TEST_CASE("co-process function: commands and other functions leave it alone, and its worker's end ends it") {
  TestDaemon daemon(with(result("$$")));
  const auto first = daemon.tine({"run", "--fn", "f"});
  CHECK(daemon.tine({"run", "--shell", "sleep 600 & exit 0"}).exit_status == 0);
  CHECK(daemon.tine({"run", "-t", "100ms", "--kill-after", "100ms", "--", "sleep", "600"}).exit_status ==
        124);
  CHECK(daemon.tine({"run", "--fn", "echo"}).exit_status == 0);
  CHECK(daemon.tine({"run", "--fn", "f"}).out == first.out);

  const auto worker = daemon.status()["pools"][0]["workers"][0]["pid"].get<pid_t>();
  const pid_t program = std::stoi(first.out);
  REQUIRE(worker > 1);
  REQUIRE(program > 1);
  ::kill(worker, SIGKILL);

  CHECK(eventually([&] { return !is_alive(program); }));
  CHECK(daemon.tine({"run", "--fn", "f"}).out != first.out);
}

TEST_CASE("co-process function: it sees the config's folder, and what it says on stderr is the job's") {
  TestDaemon daemon(with("echo said >&2; " + result("\\\"$PWD\\\"")));

  const auto record = daemon.wait(daemon.submit({"--fn", "f"}));
  const auto ran = daemon.tine({"run", "--fn", "f"});
  const auto mapped = daemon.tine({"map", "--fn", "f"}, "1\n");

  CHECK(record["stderr"] == "said\n");
  CHECK(record["result"] == daemon.folder());
  CHECK(ran.err == "said\n");
  CHECK(mapped.err == "said\n");
}

TEST_CASE("co-process function: one that dies fails the call it held, and no other") {
  TestDaemon daemon(with("[ \"$args\" = '[\"die\"]' ] && exit 3; " + result("\"$args\"")));

  const auto died = daemon.wait(daemon.submit({"--fn", "f", "--args", R"(["die"])"}));
  const auto mapped = daemon.tine({"map", "--json", "--fn", "f"}, "1\n\"die\"\n2\n");

  CHECK(died["state"] == "failed");
  CHECK(died["reason"] == "worker_died");
  CHECK(died["error"]["type"] == "WorkerDied");
  CHECK(died["error"]["message"].get<std::string>().find("exited with 3") != std::string::npos);
  const auto records = json_lines(mapped.out);
  REQUIRE(records.size() == 3);
  CHECK(records[0]["result"] == Json({1}));
  CHECK(records[1]["reason"] == "worker_died");
  CHECK(records[2]["result"] == Json({2}));
}

TEST_CASE("co-process function: what is no answer fails the call with what came, and it starts anew") {
  TestDaemon daemon(
      with("[ \"$args\" = '[]' ] && echo oops || { [ \"$args\" = '[0]' ] && id=99; " + result("$$") + "; }"));
  const auto before = daemon.tine({"run", "--fn", "f", "--args", "[1]"});

  const auto oops = daemon.wait(daemon.submit({"--fn", "f"}));
  const auto wrong_id = daemon.wait(daemon.submit({"--fn", "f", "--args", "[0]"}));
  const auto after = daemon.tine({"run", "--fn", "f", "--args", "[1]"});

  CHECK(oops["reason"] == "exception");
  CHECK(oops["error"]["type"] == "BadReply");
  CHECK(oops["error"]["message"].get<std::string>().find("not JSON: \"oops\"") != std::string::npos);
  CHECK(wrong_id["error"]["message"].get<std::string>().find("the id \"99\"") != std::string::npos);
  CHECK(after.exit_status == 0);
  CHECK(after.out != before.out);
}

TEST_CASE("co-process function: timeout and cancel end it with its tree") {
  TestDaemon daemon(with("sleep 600 & echo $! >>sleeps; wait; " + result("1")));
  const auto sleeps = [&] { return json_lines(read_whole_file(daemon.path("sleeps"))); };

  CHECK(daemon.tine({"run", "-t", "300ms", "--fn", "f"}).exit_status == 124);
  const auto id = daemon.submit({"--fn", "f"});
  CHECK(eventually([&] { return sleeps().size() == 2; }));
  CHECK(daemon.tine({"cancel", id}).exit_status == 0);
  CHECK(daemon.tine({"wait", id}).exit_status == 143);

  for (const auto& pid : sleeps()) CHECK(eventually([&] { return !is_alive(pid.get<pid_t>()); }));
}

TEST_CASE("co-process function: a program that is not there fails the call") {
  DaemonSetup setup;
  setup.config = R"({"functions": [{"name": "f", "command": ["./no-such-program"]}]})";
  TestDaemon daemon(setup);

  const auto record = daemon.wait(daemon.submit({"--fn", "f"}));

  CHECK(record["state"] == "failed");
  CHECK(record["error"]["type"] == "CommandNotFound");
}

TEST_CASE("co-process function: a name that a module has, too, stops the start") {
  TestDaemon daemon({R"({"modules": [")" FOO_MODULE_PATH
                     R"("], "functions": [{"name": "foo", "command": ["cat"]}]})",
                     false,
                     {}});

  const auto finished =
      daemon.sh("\"$tined\" --config tined.json --state-dir state --socket state/s; echo $? >&2");

  CHECK(finished.err.find("two functions are named \"foo\"") != std::string::npos);
  CHECK(finished.err.find("\n2\n") != std::string::npos);
}

TEST_CASE("co-process examples: Python, with tine_worker.py") {
  if (!is_there("python3")) return;
  DaemonSetup setup;
  setup.config = read_whole_file(SOURCE_FOLDER "/configs/examples/functions.json");
  setup.environment = {"PYTHONDONTWRITEBYTECODE=1"};
  TestDaemon daemon(setup);
  CHECK(daemon.sh("cp " SOURCE_FOLDER "/configs/examples/* .").exit_status == 0);

  CHECK(daemon.tine({"run", "--fn", "words", "--args", R"(["to be or not to be"])"}).out ==
        "{\"be\":2,\"not\":1,\"or\":1,\"to\":2}\n");
  CHECK(daemon.tine({"map", "--text", "--fn", "longest"}, "a bee\n").out == "\"bee\"\n");
  const auto wrong = daemon.wait(daemon.submit({"--fn", "words", "--args", "[1]"}));
  CHECK(wrong["error"]["type"] == "AttributeError");
  CHECK(daemon.wait(daemon.submit({"--fn", "longest"}))["error"]["type"] == "TypeError");
}

TEST_CASE("co-process examples: what a Python function prints is the job's, and none of the protocol") {
  if (!is_there("python3")) return;
  DaemonSetup setup;
  setup.config = R"({"functions": [{"name": "hi", "command": ["python3", "-u", "hi.py"]}]})";
  setup.environment = {"PYTHONDONTWRITEBYTECODE=1"};
  TestDaemon daemon(setup);
  CHECK(daemon.sh("cp " SOURCE_FOLDER "/configs/examples/tine_worker.py .").exit_status == 0);
  write_whole_file(daemon.path("hi.py"),
                   "import os\nfrom tine_worker import serve\n"
                   "def hi():\n    print('hi')\n    os.system('echo ho')\n    return 1\nserve({'hi': hi})\n");

  const auto record = daemon.wait(daemon.submit({"--fn", "hi"}));

  CHECK(record["result"] == 1);
  CHECK(record["stderr"] == "hi\nho\n");
}

TEST_CASE("co-process examples: the shell, with jq") {
  if (!is_there("jq")) return;
  DaemonSetup setup;
  setup.config = read_whole_file(SOURCE_FOLDER "/configs/examples/functions.json");
  TestDaemon daemon(setup);
  CHECK(daemon.sh("cp " SOURCE_FOLDER "/configs/examples/* .").exit_status == 0);

  CHECK(daemon.tine({"run", "--fn", "total", "--args", "[1, 2, 39]"}).out == "42\n");
  CHECK(daemon.tine({"map", "--star", "--fn", "product"}, "[2, 3]\n[4, 5]\n").out == "6\n20\n");
  CHECK(daemon.wait(daemon.submit({"--fn", "total", "--args", R"(["x"])"}))["error"]["type"] == "TypeError");
}

TEST_CASE("co-process examples: Node") {
  if (!is_there("node")) return;
  DaemonSetup setup;
  setup.config = read_whole_file(SOURCE_FOLDER "/configs/examples/functions.json");
  TestDaemon daemon(setup);
  CHECK(daemon.sh("cp " SOURCE_FOLDER "/configs/examples/* .").exit_status == 0);

  CHECK(daemon.tine({"run", "--fn", "slug", "--args", R"(["To be, or not?"])"}).out == "\"to-be-or-not\"\n");
  CHECK(daemon.wait(daemon.submit({"--fn", "slug", "--args", "[1]"}))["error"]["type"] == "TypeError");
}
