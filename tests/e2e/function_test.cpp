#include <doctest/doctest.h>

#include <chrono>

#include "tests/support/test_daemon.hpp"

using namespace tine::test;

namespace {

const DaemonSetup with_foo{R"({"pools": [{"name": "default", "size": 5}], "modules": [")" FOO_MODULE_PATH
                           R"("]})"};

}  // namespace

TEST_CASE("function: echo gives its arguments back") {
  TestDaemon daemon;

  const auto finished =
      daemon.tine({"run", "--fn", "echo", "--args", R"([1, "two", null, {"three": [3.5]}])"});

  CHECK(finished.exit_status == 0);
  CHECK(Json::parse(finished.out) == Json::parse(R"([1, "two", null, {"three": [3.5]}])"));
}

TEST_CASE("function: the record has the result and no exit code but 0") {
  TestDaemon daemon;

  const auto record = daemon.wait(daemon.submit({"--fn", "sleep", "--args", "[0.01]"}));

  CHECK(record["kind"] == "function");
  CHECK(record["function"] == "sleep");
  CHECK(record["args"] == Json({0.01}));
  CHECK(record["command"].is_null());
  CHECK(record["state"] == "succeeded");
  CHECK(record["exit_code"] == 0);
}

TEST_CASE("function: a module's is called with typed arguments") {
  TestDaemon daemon(with_foo);

  CHECK(daemon.tine({"run", "--fn", "add", "--args", "[40, 2]"}).out == "42\n");
  const auto id = daemon.submit({"--fn", "add", "--args", "[1, 2]"});
  daemon.wait(id);
  CHECK(daemon.tine({"result", id}).out == "3\n");
}

TEST_CASE("function: an exception and wrong arguments fail the job and name the type") {
  TestDaemon daemon(with_foo);

  const auto thrown = daemon.wait(daemon.submit({"--fn", "fail", "--args", R"(["no luck"])"}));
  CHECK(thrown["state"] == "failed");
  CHECK(thrown["reason"] == "exception");
  CHECK(thrown["exit_code"].is_null());
  CHECK(thrown["error"]["type"] == "std::runtime_error");
  CHECK(thrown["error"]["message"] == "no luck");
  CHECK(daemon.tine({"run", "--fn", "fail", "--args", R"(["x"])"}).exit_status == 1);
  CHECK(daemon.wait(daemon.submit({"--fn", "add", "--args", R"(["x", 1])"}))["error"]["type"] == "TypeError");
  CHECK(daemon.wait(daemon.submit({"--fn", "add", "--args", "[1]"}))["error"]["type"] == "TypeError");
}

TEST_CASE("function: an error of the arguments names the argument, what is expected and what came") {
  TestDaemon daemon(with_foo);
  const auto message = [&](const std::string& function, const std::string& args) {
    const auto record = daemon.wait(daemon.submit({"--fn", function, "--args", args}));
    CHECK(record["error"]["type"] == "TypeError");
    return record["error"]["message"].get<std::string>();
  };

  CHECK(message("add", R"([1, "x"])") == "argument 2 of add: expected integer, got string \"x\"");
  CHECK(message("add", "[1.5, 1]") == "argument 1 of add: expected integer, got number 1.5");
  CHECK(message("add", "[null, 1]") == "argument 1 of add: expected integer, got null");
  CHECK(message("add", "[3000000000, 1]") ==
        "argument 1 of add: expected integer from -2147483648 to 2147483647, got number 3000000000");
  CHECK(message("fail", "[7]") == "argument 1 of fail: expected string, got number 7");
  CHECK(message("total", "[[1, 2.5]]").find("got array [1,2.5]") != std::string::npos);
  CHECK(message("add", "[1]") == "add takes 2 arguments, 1 given");
  CHECK(message("foo", "[]") == "foo takes 1 argument, 0 given");
  CHECK(daemon.tine({"map", "--star", "--fn", "add"}, "[1, true]\n")
            .err.find("line 1: TypeError: argument 2 of add: expected integer, got boolean true") !=
        std::string::npos);
}

TEST_CASE("function: abort, a segmentation fault and _exit cost the call that ran, and no other") {
  TestDaemon daemon(with_foo);
  for (const char* how : {"abort", "segv", "exit"}) {
    CAPTURE(how);
    const std::string args = Json{how}.dump();
    const auto record = daemon.wait(daemon.submit({"--fn", "crash", "--args", args}));
    CHECK(record["state"] == "failed");
    CHECK(record["reason"] == "worker_died");
    CHECK(record["error"]["type"] == "WorkerDied");
    CHECK(daemon.tine({"run", "--fn", "crash", "--args", args}).exit_status == 1);
    CHECK(daemon.tine({"run", "--fn", "add", "--args", "[1, 2]"}).out == "3\n");
  }

  std::string lines;
  for (int i = 0; i < 300; ++i) lines += i % 100 == 50 ? "\"segv\"\n" : "\"" + std::to_string(i) + "\"\n";
  const auto mapped = daemon.tine({"map", "--json", "--fn", "crash"}, "\"exit\"\n\"abort\"\n");
  for (const auto& record : json_lines(mapped.out)) CHECK(record["reason"] == "worker_died");
  CHECK(mapped.exit_status == 1);
}

TEST_CASE("function: five at a time in a pool of five") {
  TestDaemon daemon(with_foo);
  std::vector<std::string> words = {"wait", "--json"};
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < 10; ++i)
    words.push_back(daemon.submit({"--fn", "foo", "--args", "[" + std::to_string(i) + "]"}));

  const auto records = json_lines(daemon.tine(words).out);

  CHECK(std::chrono::steady_clock::now() - began >= std::chrono::seconds(4));
  REQUIRE(records.size() == 10);
  int sum = 0;
  for (const auto& record : records) sum += record["result"].get<int>();
  CHECK(sum == 1045);
}

TEST_CASE("function: timeout and cancel end the call") {
  TestDaemon daemon;

  CHECK(daemon.tine({"run", "-t", "200ms", "--fn", "sleep", "--args", "[600]"}).exit_status == 124);
  const auto id = daemon.submit({"--fn", "sleep", "--args", "[600]"});
  CHECK(daemon.tine({"cancel", id}).exit_status == 0);
  CHECK(daemon.tine({"wait", id}).exit_status == 143);
  CHECK(daemon.tine({"run", "--fn", "echo", "--args", "[1]"}).exit_status == 0);
}

TEST_CASE("function: a name that is not there and arguments that are no array are refused") {
  TestDaemon daemon;

  CHECK(daemon.tine({"run", "--fn", "nowhere"}).exit_status != 0);
  CHECK(daemon.tine({"submit", "--fn", "echo", "--args", "{}"}).exit_status == 2);
  CHECK(daemon.tine({"submit", "--fn", "echo", "--args", "[1"}).exit_status == 2);
}
