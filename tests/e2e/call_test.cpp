// The wire's `call`, and the lines of the contract about <tine/client.hpp>, against a real tined.
#include <doctest/doctest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <atomic>
#include <cmath>
#include <thread>
#include <tine/client.hpp>

#include "tests/support/eventually.hpp"
#include "tests/support/test_daemon.hpp"

using namespace std::chrono_literals;
using namespace tine::test;

namespace {

const DaemonSetup with_foo{
    R"({"pools": [{"name": "default", "size": 2}, {"name": "one", "size": 1}], "modules": [")" FOO_MODULE_PATH
    R"("]})"};

/// What the daemon says to one line, after its greeting.
Json ask(const TestDaemon& daemon, const std::string& method, const Json& params) {
  const Json request = {{"jsonrpc", "2.0"}, {"id", 1}, {"method", method}, {"params", params}};
  const auto lines = json_lines(daemon.sh("nc -N -U \"$sock\"", request.dump() + "\n").out);
  REQUIRE(lines.size() == 2);
  return lines[1];
}

pid_t worker_of(const TestDaemon& daemon, int pool) {
  pid_t pid = 0;
  CHECK(eventually([&] {
    const auto workers = daemon.status()["pools"][pool]["workers"];
    if (!workers.empty()) pid = workers[0]["pid"].get<pid_t>();
    return pid > 1;
  }));
  REQUIRE(pid > 1);
  return pid;
}

}  // namespace

TEST_CASE("call: one line is answered with the result or with the error that the function threw") {
  TestDaemon daemon(with_foo);

  CHECK(ask(daemon, "call", {{"function", "add"}, {"args", {40, 2}}})["result"] == 42);
  CHECK(ask(daemon, "call", {{"function", "echo"}})["result"] == Json::array());
  const auto thrown = ask(daemon, "call", {{"function", "fail"}, {"args", {"no luck"}}})["error"];
  CHECK(thrown["message"] == "std::runtime_error: no luck");
  CHECK(thrown["data"] == Json{{"exit_code", 1}, {"type", "std::runtime_error"}, {"message", "no luck"}});
  CHECK(daemon.tine({"list"}).out.find("add") == std::string::npos);
}

TEST_CASE("call: what is wrong is refused and named") {
  TestDaemon daemon(with_foo);
  const auto refusal = [&](const Json& params) {
    return ask(daemon, "call", params)["error"]["message"].get<std::string>();
  };

  CHECK(refusal({{"function", "nowhere"}}).find("function: there is no function \"nowhere\"") == 0);
  CHECK(refusal({{"args", {1}}}).find("function: ") == 0);
  CHECK(refusal({{"function", "echo"}, {"args", 1}}).find("args: must be an array") == 0);
  CHECK(refusal({{"function", "echo"}, {"arg", {1}}}).find("arg: unknown field; allowed: function args") ==
        0);
  CHECK(refusal({{"function", "echo"}, {"pool", "nowhere"}}).find("pool: ") == 0);
  CHECK(refusal({{"function", "echo"}, {"timeout", "soon"}}).find("timeout: ") == 0);
  CHECK(daemon.tine({"pool", "close", "one"}).exit_status == 0);
  CHECK(ask(daemon, "call", {{"function", "echo"}, {"pool", "one"}})["error"]["data"]["exit_code"] == 75);
}

TEST_CASE("contract: Client") {
  TestDaemon daemon(with_foo);
  ::setenv("TINE_SOCKET", daemon.socket().c_str(), 1);

  tine::Client c;
  std::uint64_t id = c.submit({"sh", "-c", "echo \"$WORD\"; pwd"});
  tine::Json record = c.wait(id);
  const auto json = tine::Json{{"function", "add"}, {"args", {1, 2}}, {"name", "sum"}};
  const auto sum = c.wait(c.submit_spec(json));
  const auto called = c.call("foo", 1);

  ::unsetenv("TINE_SOCKET");
  CHECK(record["state"] == "succeeded");
  CHECK(record["id"] == id);
  CHECK(sum["result"] == 3);
  CHECK(sum["name"] == "sum");
  CHECK(called == 101);
}

TEST_CASE("Client: a submitted job has this process's environment and folder") {
  TestDaemon daemon;
  tine::Client c(daemon.socket());
  ::setenv("WORD", "of mine", 1);

  const auto record = c.wait(c.submit({"sh", "-c", "echo $WORD; pwd"}));

  ::unsetenv("WORD");
  CHECK(record["stdout"] == "of mine\n" + Running({"sh", "-c", "pwd"}, environment_with({})).wait().out);
}

TEST_CASE("Client: exceptions by what happened") {
  TestDaemon daemon(with_foo);
  tine::Client c(daemon.socket());

  try {
    c.call("fail", "no luck");
    FAIL("it did not throw");
  } catch (const tine::RemoteError& error) {
    CHECK(error.type_name() == "std::runtime_error");
    CHECK(std::string(error.what()) == "no luck");
  }
  CHECK_THROWS_AS(c.call("crash", "abort"), tine::WorkerDied);
  CHECK(c.call("add", 1, 2) == 3);
  CHECK_THROWS_AS(c.call_in("one", 0.2s, "sleep", {60}), tine::TimeoutError);
  CHECK_THROWS_AS(c.call("nowhere"), tine::DaemonError);
  CHECK_THROWS_AS(c.wait(4711), tine::DaemonError);
  CHECK_THROWS_AS(c.submit_spec({{"comand", {"true"}}}), tine::DaemonError);
  CHECK_THROWS_AS(c.wait(c.submit({"sleep", "600"}), 50ms), tine::TimeoutError);
  CHECK(daemon.tine({"cancel", "last"}).exit_status == 0);
  try {
    tine::Client nobody(daemon.path("nobody.sock"));
    FAIL("it did not throw");
  } catch (const tine::DaemonError& error) {
    CHECK(error.exit_code() == 69);
  }
}

TEST_CASE("call: a time-out ends what runs with its worker, and what had not begun is not begun") {
  TestDaemon daemon(with_foo);
  tine::Client first(daemon.socket()), second(daemon.socket());
  const auto worker = worker_of(daemon, 1);
  std::thread long_one([&] { CHECK_THROWS_AS(first.call_in("one", 1s, "sleep", {60}), tine::TimeoutError); });

  CHECK(eventually([&] { return daemon.status()["pools"][1]["workers"][0]["state"] == "busy"; }));
  const auto touched = daemon.path("touched");
  CHECK_THROWS_AS(second.call_in("one", 0.1s, "touch", {touched}), tine::TimeoutError);

  long_one.join();
  CHECK(eventually([&] { return !is_alive(worker); }));
  CHECK(second.call_in("one", {}, "add", {1, 2}) == 3);
  CHECK(read_whole_file(touched) == "");
}

TEST_CASE("call: a killed worker fails the call that it ran, and the connection goes on") {
  TestDaemon daemon(with_foo);
  tine::Client c(daemon.socket());
  std::atomic<bool> over{false};
  std::thread killer([&] {
    // One that is killed before it has begun the call leaves it to the next: until the call has failed.
    CHECK(eventually([&] {
      if (over) return true;
      if (daemon.status()["pools"][1]["workers"][0]["state"] == "busy") ::kill(worker_of(daemon, 1), SIGKILL);
      return false;
    }));
  });

  CHECK_THROWS_AS(c.call_in("one", {}, "sleep", {60}), tine::WorkerDied);

  over = true;
  killer.join();
  CHECK(c.call_in("one", {}, "add", {1, 2}) == 3);
}

TEST_CASE("call: who has said all and then goes takes its call along") {
  TestDaemon daemon(with_foo);
  const auto busy = [&] {
    const auto workers = daemon.status()["pools"][1]["workers"];
    return !workers.empty() && workers[0]["state"] == "busy";
  };
  auto socket = daemon.dial();
  const std::string request =
      R"({"jsonrpc":"2.0","id":1,"method":"call","params":{"function":"sleep","args":[600],"pool":"one"}})"
      "\n";
  REQUIRE(::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) ==
          static_cast<ssize_t>(request.size()));
  REQUIRE(::shutdown(socket.get(), SHUT_WR) == 0);
  REQUIRE(eventually(busy));
  socket.reset();
  CHECK(eventually([&] { return !busy(); }));
}

TEST_CASE("call: an open connection without a call keeps neither jobs nor the daemon's end waiting") {
  TestDaemon daemon(with_foo);
  tine::Client c(daemon.socket());
  CHECK(c.call_in("one", {}, "add", {1, 2}) == 3);

  CHECK(daemon.tine({"run", "-g", "one", "true"}).exit_status == 0);
  CHECK(c.call_in("one", {}, "add", {1, 2}) == 3);
  CHECK(eventually([&] { return daemon.status()["pools"][1]["workers"][0]["state"] == "idle"; }));
  CHECK(c.call_in("one", {}, "add", {1, 2}) == 3);
  CHECK(daemon.tine({"shutdown"}).exit_status == 0);
  CHECK_THROWS_AS(c.call("add", 1, 2), tine::DaemonError);
}

TEST_CASE("call: in a coroutine pool many wait at once, and one that is over is unwound alone") {
  DaemonSetup setup;
  setup.config = R"({"pools": [{"name": "io", "kind": "coroutine", "concurrency": 100}],
                     "functions": [{"name": "program", "command": ["cat"]}]})";
  TestDaemon daemon(setup);
  tine::Client c(daemon.socket());

  CHECK(c.call_in("io", {}, "echo", {1, "two"}) == Json({1, "two"}));
  CHECK_THROWS_AS(c.call_in("io", 0.1s, "sleep", {60}), tine::TimeoutError);
  CHECK(c.call_in("io", 10s, "sleep", {0.01}).is_null());
  CHECK(eventually([&] { return daemon.status()["pools"][0]["busy"] == 0; }));
  CHECK_THROWS_AS(c.call_in("io", {}, "program", Json::array()), tine::DaemonError);
  CHECK(daemon.tine({"run", "-g", "io", "--fn", "program"}).exit_status == 2);
  CHECK(daemon.tine({"map", "-g", "io", "--fn", "program"}, "1\n").exit_status == 2);
  CHECK(daemon.tine({"shutdown"}).exit_status == 0);
}

TEST_CASE("call: hundreds at once on one connection, each its own answer") {
  TestDaemon daemon(with_foo);
  std::string requests;
  for (int i = 0; i < 200; ++i)
    requests += Json{{"jsonrpc", "2.0"},
                     {"id", i},
                     {"method", "call"},
                     {"params", {{"function", "add"}, {"args", {i, i}}}}}
                    .dump() +
                "\n";

  const auto answers = json_lines(daemon.sh("nc -N -U \"$sock\"", requests).out);

  int right = 0;
  for (const auto& answer : answers)
    if (answer.contains("id") && answer["result"] == 2 * answer["id"].get<int>()) ++right;
  CHECK(right == 200);
}

TEST_CASE("Client: a wait outlives the daemon") {
  TestDaemon daemon;
  tine::Client c(daemon.socket());
  const auto id = c.submit({"sh", "-c", "while ! [ -e " + daemon.path("go") + " ]; do sleep 0.02; done"});
  std::thread waiter([&] { CHECK(c.wait(id)["state"] == "succeeded"); });

  daemon.restart();
  write_whole_file(daemon.path("go"), "");

  waiter.join();
}

TEST_CASE("call: a connection may end with the call whose arguments find no room") {
  TestDaemon daemon(without_a_daemon());
  REQUIRE(daemon.sh("prlimit --fsize=8388608 \"$tined\" --workers 1 -d").exit_status == 0);
  // The memory for arguments fills up; then calls that nobody waits for any more keep every place until the
  // sleep is over, and one call waits for a place.
  const auto said = daemon.sh("python3 - \"$sock\"", R"py(
import json, socket, sys
tine = socket.socket(socket.AF_UNIX)
tine.connect(sys.argv[1])
lines = tine.makefile("rb")
def call(function, args, **more):
    params = {"function": function, "args": args, **more}
    tine.sendall(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "call", "params": params}).encode() + b"\n")
def answers(count):
    while count:
        answer = json.loads(lines.readline())
        count -= "id" in answer
    return answer
for _ in range(3):
    call("echo", ["x" * 4_000_000])
answers(3)
call("sleep", [2])
for _ in range(255):
    call("echo", [1], timeout=0.05)
answers(255)
call("echo", ["y" * 1000])
tine.shutdown(socket.SHUT_WR)
print(answers(2)["error"]["message"])
print(lines.readline())
)py");
  CHECK(said.out == "WorkerDied: pass a value of 1009 bytes on: File too large\nb''\n");
  CHECK(daemon.tine({"ping"}).exit_status == 0);
}
