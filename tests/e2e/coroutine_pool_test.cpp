#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <sstream>

#include "tests/support/eventually.hpp"
#include "tests/support/http_server.hpp"
#include "tests/support/test_daemon.hpp"

using namespace tine::test;

namespace {

DaemonSetup with_io(const std::string& more = "", std::vector<std::string> environment = {}) {
  return {R"({"pools": [{"name": "default", "size": 1}, {"name": "io", "kind": "coroutine")" + more +
              R"(}], "modules": [")" COROUTINE_MODULE_PATH R"("]})",
          true, std::move(environment)};
}

Json io_pool(const TestDaemon& daemon) {
  const Json status = daemon.status();
  for (const auto& pool : status["pools"])
    if (pool["name"] == "io") return pool;
  return {};
}

/// The one worker of the pool, once it is there.
Json io_worker(const TestDaemon& daemon) {
  REQUIRE(eventually([&] { return io_pool(daemon)["workers"].size() == 1; }));
  return io_pool(daemon)["workers"][0];
}

pid_t io_pid(const TestDaemon& daemon) {
  const pid_t pid = io_worker(daemon)["pid"].get<pid_t>();
  REQUIRE(pid > 1);
  return pid;
}

std::string lines(int count, const std::string& text) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text + "\n";
  return all;
}

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

bool log_has(const TestDaemon& daemon, const std::string& text) {
  return eventually([&] { return daemon.log().find(text) != std::string::npos; });
}

}  // namespace

TEST_CASE("coroutine pool: its kind, its one worker and its concurrency are in the status") {
  TestDaemon daemon(with_io(R"(, "concurrency": 300)"));

  const auto pool = io_pool(daemon);
  CHECK(pool["kind"] == "coroutine");
  CHECK(pool["size"] == 1);
  CHECK(pool["concurrency"] == 300);
  const auto worker = io_worker(daemon);
  CHECK(worker["tasks_running"] == 0);
  CHECK(worker["tasks_waiting"] == 0);
  CHECK(worker["hog"].is_null());
  CHECK(daemon.tine({"pool", "list"}).out.find("coroutine") != std::string::npos);
}

TEST_CASE("coroutine pool: made at run time, it comes back after a restart") {
  TestDaemon daemon;

  CHECK(daemon.tine({"pool", "add", "io", "--kind", "coroutine", "--concurrency", "50"}).exit_status == 0);
  CHECK(daemon.tine({"run", "-g", "io", "--fn", "echo", "--args", "[1]"}).out == "[1]\n");
  daemon.restart();
  CHECK(io_pool(daemon)["kind"] == "coroutine");
  CHECK(io_pool(daemon)["concurrency"] == 50);
  CHECK(daemon.tine({"run", "-g", "io", "--fn", "echo", "--args", "[2]"}).out == "[2]\n");
}

TEST_CASE("coroutine pool: a kind or concurrency that is none is refused") {
  TestDaemon daemon;

  for (const auto& words :
       std::vector<std::vector<std::string>>{{"--kind", "thread"},
                                             {"--kind", "coroutine", "--concurrency", "0"},
                                             {"--kind", "coroutine", "--concurrency", "30001"},
                                             {"--size", "1", "--concurrency", "5"},
                                             {"--concurrency", "5"}}) {
    std::vector<std::string> all{"pool", "add", "io"};
    all.insert(all.end(), words.begin(), words.end());
    CHECK(daemon.tine(all).exit_status == 2);
  }
}

TEST_CASE("coroutine pool: jobs run at once in one process, up to its concurrency") {
  TestDaemon daemon(with_io(R"(, "concurrency": 40)"));
  std::vector<std::string> words{"wait", "--json"};
  std::string batch;
  for (int i = 0; i < 100; ++i)
    batch += R"({"function": "sleep", "args": [0.2], "pool": "io"})"
             "\n";
  std::istringstream ids(daemon.tine({"batch", "-"}, batch).out);
  for (std::string id; std::getline(ids, id);) words.push_back(id);
  REQUIRE(words.size() == 102);

  std::uint64_t most = 0;
  REQUIRE(eventually([&] {
    most = std::max(most, io_pool(daemon)["busy"].get<std::uint64_t>());
    return daemon.status()["jobs"]["succeeded"] == 100;
  }));
  const auto records = json_lines(daemon.tine(words).out);

  CHECK(most > 1);
  CHECK(most <= 40);
  REQUIRE(records.size() == 100);
  for (const auto& record : records) {
    CHECK(record["state"] == "succeeded");
    CHECK(record["pool"] == "io");
    CHECK(record["worker"]["pid"] == records[0]["worker"]["pid"]);
  }
}

TEST_CASE("coroutine pool: map gives the results in order, its failures in their places") {
  TestDaemon daemon(with_io());

  const auto mapped = daemon.tine({"map", "-g", "io", "--fn", "echo"}, "1\n\"two\"\n[3]\nnonsense\n5\n");

  CHECK(mapped.exit_status == 1);
  CHECK(mapped.out == "[1]\n[\"two\"]\n[[3]]\nnull\n[5]\n");
  CHECK(mapped.err.find("line 4: ValueError") != std::string::npos);
  CHECK(daemon.tine({"map", "--pool", "io", "--fn", "echo", "--text"}, "a b\n").out == "[\"a b\"]\n");
  CHECK(daemon.tine({"map", "-g", "io", "--fn", "echo", "--star"}, "[1,2]\n").out == "[1,2]\n");
}

TEST_CASE("coroutine pool: map with --jobs runs no more than that at once") {
  TestDaemon daemon(with_io());
  auto mapping = daemon.tine_running({"map", "-g", "io", "-j", "3", "--fn", "sleep"}, lines(6, "0.3"));

  std::uint64_t most = 0;
  while (!mapping.has_ended()) {
    const auto worker = io_worker(daemon);
    most = std::max(
        most, worker["tasks_running"].get<std::uint64_t>() + worker["tasks_waiting"].get<std::uint64_t>());
  }

  CHECK(mapping.wait().exit_status == 0);
  CHECK(most <= 3);
}

TEST_CASE("coroutine pool: commands are refused") {
  TestDaemon daemon(with_io());

  for (const auto& words : std::vector<std::vector<std::string>>{{"submit", "-g", "io", "true"},
                                                                 {"run", "-g", "io", "--", "true"},
                                                                 {"run", "-g", "io", "--shell", "true"},
                                                                 {"map", "-g", "io", "--", "echo", "{}"}}) {
    const auto refused = daemon.tine(words, "1\n");
    CHECK(refused.exit_status == 2);
    CHECK(refused.err.find("coroutine") != std::string::npos);
  }
  CHECK(daemon.tine({"batch", "-"}, "{\"command\": [\"true\"], \"pool\": \"io\"}\n").exit_status == 2);
}

TEST_CASE("coroutine pool: a workdir, an environment and a stdin of one's own are refused") {
  TestDaemon daemon(with_io());
  write_whole_file(daemon.path("in"), "x");

  for (const auto& own : std::vector<std::vector<std::string>>{
           {"-w", "/"}, {"-e", "A=1"}, {"--clean-env"}, {"--stdin", daemon.path("in")}, {"--stdin", "-"}}) {
    std::vector<std::string> words{"submit", "-g", "io"};
    words.insert(words.end(), own.begin(), own.end());
    words.insert(words.end(), {"--fn", "echo", "--args", "[]"});
    const auto refused = daemon.tine(words, "text");
    CHECK(refused.exit_status == 2);
    CHECK(refused.err.find("coroutine") != std::string::npos);
  }
  CHECK(daemon.tine({"batch", "-"}, "{\"function\": \"echo\", \"pool\": \"io\", \"env\": {\"A\": \"1\"}}\n")
            .exit_status == 2);
}

TEST_CASE("coroutine pool: a time-out unwinds its call, and no other") {
  TestDaemon daemon(with_io());
  const auto other = daemon.submit({"-g", "io", "--fn", "sleep", "--args", "[1]"});
  const auto pid = io_pid(daemon);

  const auto record = daemon.wait(daemon.submit(
      {"-g", "io", "-t", "200ms", "--fn", "wait_traced", "--args", "[\"" + daemon.path("unwound") + "\"]"}));

  CHECK(record["state"] == "timed_out");
  CHECK(record["reason"] == "timeout");
  CHECK(record["exit_code"].is_null());
  CHECK(::access(daemon.path("unwound").c_str(), F_OK) == 0);
  CHECK(daemon.tine({"run", "-g", "io", "-t", "100ms", "--fn", "sleep", "--args", "[600]"}).exit_status ==
        124);
  CHECK(daemon.wait(other)["state"] == "succeeded");
  CHECK(io_pid(daemon) == pid);
}

TEST_CASE("coroutine pool: cancel unwinds the call; what it gives back then does not count") {
  TestDaemon daemon(with_io());
  const auto pid = io_pid(daemon);
  const auto one =
      daemon.submit({"-g", "io", "--fn", "wait_traced", "--args", "[\"" + daemon.path("unwound") + "\"]"});
  const auto two = daemon.submit({"-g", "io", "--fn", "stubborn", "--args", "[300]"});
  REQUIRE(eventually([&] { return io_worker(daemon)["tasks_waiting"] == 2; }));

  CHECK(daemon.tine({"cancel", one, two}).exit_status == 0);

  CHECK(daemon.tine({"wait", one}).exit_status == 143);
  CHECK(::access(daemon.path("unwound").c_str(), F_OK) == 0);
  const auto record = daemon.wait(two);
  CHECK(record["state"] == "cancelled");
  CHECK(record["reason"] == "cancelled");
  CHECK(record["result"].is_null());
  CHECK(io_pid(daemon) == pid);
}

TEST_CASE("coroutine pool: the death of a run's caller, and its SIGINT, end the call") {
  TestDaemon daemon(with_io());
  for (const int signal : {SIGKILL, SIGINT}) {
    auto caller = daemon.tine_running({"run", "-g", "io", "--fn", "sleep", "--args", "[600]"});
    REQUIRE(eventually([&] { return io_pool(daemon)["busy"] == 1; }));
    caller.kill(signal);
    CHECK(eventually([&] { return io_pool(daemon)["busy"] == 0; }));
    caller.wait();
  }
  CHECK(daemon.status()["jobs"]["cancelled"] == 2);
}

TEST_CASE("coroutine pool: kill -9 of the worker fails what it ran, and another takes its place") {
  TestDaemon daemon(with_io());
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(daemon.submit({"-g", "io", "--fn", "sleep", "--args", "[600]"}));
  auto mapping = daemon.tine_running({"map", "-g", "io", "--fn", "sleep"}, lines(3, "600"));
  REQUIRE(eventually([&] { return io_worker(daemon)["tasks_waiting"] == 8; }));
  const pid_t pid = io_pid(daemon);

  ::kill(pid, SIGKILL);

  for (const auto& id : ids) {
    const auto record = daemon.wait(id);
    CHECK(record["state"] == "failed");
    CHECK(record["reason"] == "worker_died");
    CHECK(record["error"]["type"] == "WorkerDied");
  }
  const auto mapped = mapping.wait();
  CHECK(mapped.exit_status == 1);
  CHECK(mapped.out == "null\nnull\nnull\n");
  CHECK(count_of(mapped.err, "WorkerDied") == 3);
  CHECK(daemon.tine({"run", "-g", "io", "--fn", "echo", "--args", "[1]"}).exit_status == 0);
  CHECK(io_pid(daemon) != pid);
}

TEST_CASE("coroutine pool: a stack that runs over ends that worker's calls and not the pool") {
  TestDaemon daemon(with_io());
  const auto beside = daemon.submit({"-g", "io", "--fn", "sleep", "--args", "[600]"});
  REQUIRE(eventually([&] { return io_worker(daemon)["tasks_waiting"] == 1; }));

  const auto record = daemon.wait(daemon.submit({"-g", "io", "--fn", "overrun"}));

  CHECK(record["state"] == "failed");
  CHECK(record["reason"] == "worker_died");
  CHECK(daemon.wait(beside)["reason"] == "worker_died");
  CHECK(daemon.tine({"run", "-g", "io", "--fn", "echo", "--args", "[1]"}).out == "[1]\n");
}

TEST_CASE("coroutine pool: jobs live on through a kill -9 of tined, and end once") {
  TestDaemon daemon(with_io());
  std::string batch;
  for (int i = 0; i < 20; ++i)
    batch += R"({"function": "sleep", "pool": "io", "args": [)" + std::to_string(3 + i * 0.05) + "]}\n";
  std::vector<std::string> words{"wait", "--json"};
  std::istringstream ids(daemon.tine({"batch", "-"}, batch).out);
  for (std::string id; std::getline(ids, id);) words.push_back(id);
  REQUIRE(eventually([&] { return io_worker(daemon)["tasks_waiting"] == 20; }));
  const pid_t pid = io_pid(daemon);

  daemon.restart();

  // The old worker finishes what it has; a new one is there meanwhile.
  CHECK(daemon.tine({"run", "-g", "io", "--fn", "echo", "--args", "[1]"}).exit_status == 0);
  const auto records = json_lines(daemon.tine(words).out);
  REQUIRE(records.size() == 20);
  for (const auto& record : records) {
    CHECK(record["state"] == "succeeded");
    CHECK(record["attempt"] == 1);
    CHECK(record["worker"]["pid"] == pid);
  }
  CHECK(eventually([&] { return !is_alive(pid); }));
}

TEST_CASE("coroutine pool: a job that an adopted worker runs can be cancelled") {
  TestDaemon daemon(with_io());
  const auto id = daemon.submit({"-g", "io", "--fn", "sleep", "--args", "[600]"});
  REQUIRE(eventually([&] { return io_worker(daemon)["tasks_waiting"] == 1; }));
  daemon.restart();

  CHECK(daemon.tine({"cancel", id}).exit_status == 0);
  CHECK(daemon.wait(id)["state"] == "cancelled");
}

TEST_CASE("coroutine pool: a map's calls end with its client, and the worker stays") {
  TestDaemon daemon(with_io());
  const pid_t pid = io_pid(daemon);
  auto mapping = daemon.tine_running({"map", "-g", "io", "--fn", "sleep"}, lines(50, "600"));
  REQUIRE(eventually([&] { return io_worker(daemon)["tasks_waiting"] == 50; }));

  mapping.kill(SIGKILL);

  CHECK(eventually([&] { return io_worker(daemon)["tasks_waiting"] == 0; }));
  CHECK(io_pid(daemon) == pid);
}

TEST_CASE("coroutine pool: jobs get their turn beside a map that wants every place") {
  TestDaemon daemon(with_io(R"(, "concurrency": 4)"));
  auto mapping = daemon.tine_running({"map", "-g", "io", "--fn", "sleep"}, lines(400, "0.05"));
  REQUIRE(eventually([&] { return io_worker(daemon)["tasks_waiting"] == 4; }));

  CHECK(daemon.tine({"run", "-g", "io", "--fn", "echo", "--args", "[1]"}).exit_status == 0);

  CHECK(!mapping.has_ended());
  CHECK(mapping.wait().exit_status == 0);
}

TEST_CASE("coroutine pool: what functions print is in the log, line by line") {
  TestDaemon daemon(with_io());

  CHECK(daemon.tine({"run", "-g", "io", "--fn", "say", "--args", "[\"good morning\"]"}).out == "null\n");

  CHECK(log_has(daemon, "pool io: good morning\n"));
}

TEST_CASE("coroutine pool: a call that holds the worker is told by name, while it does") {
  TestDaemon daemon(with_io(R"(, "concurrency": 1)"));
  const auto id = daemon.submit({"-g", "io", "--fn", "hog", "--args", "[3000]"});
  const auto behind = daemon.submit({"-g", "io", "--fn", "echo"});

  CHECK(eventually([&] {
    const auto hog = io_worker(daemon)["hog"];
    return !hog.is_null() && hog["function"] == "hog" && std::to_string(hog["job"].get<int>()) == id;
  }));
  CHECK(daemon.tine({"why", behind}).out.find("function hog (job " + id + ")") != std::string::npos);
  CHECK(daemon.log().find("pool io: function hog (job " + id + ") holds worker 0") != std::string::npos);
  CHECK(daemon.wait(id)["state"] == "succeeded");
  CHECK(eventually([&] { return io_worker(daemon)["hog"].is_null(); }));
  CHECK(count_of(daemon.log(), "function hog") == 1);
}

TEST_CASE("coroutine pool: resize up shares the work among workers") {
  TestDaemon daemon(with_io(R"(, "concurrency": 2)"));
  CHECK(daemon.tine({"pool", "resize", "io", "3"}).exit_status == 0);
  REQUIRE(eventually([&] { return io_pool(daemon)["workers"].size() == 3; }));

  const auto mapped = daemon.tine({"map", "-g", "io", "--fn", "pid", "--star"}, lines(6, "[]"));
  CHECK(mapped.exit_status == 0);
  std::vector<std::string> ids;
  for (int i = 0; i < 6; ++i) ids.push_back(daemon.submit({"-g", "io", "--fn", "sleep", "--args", "[600]"}));
  CHECK(eventually([&] { return io_pool(daemon)["busy"] == 6; }));
  const auto pool = io_pool(daemon);
  for (const auto& worker : pool["workers"]) CHECK(worker["tasks_waiting"] == 2);
  CHECK(daemon.tine({"pool", "terminate", "io"}).exit_status == 0);
}

TEST_CASE("coroutine pool: shutdown --now ends a call that does not give way, too") {
  TestDaemon daemon(with_io());
  const auto id = daemon.submit({"-g", "io", "--fn", "hog", "--args", "[60000]"});
  REQUIRE(eventually([&] { return io_pool(daemon)["busy"] == 1; }));

  CHECK(daemon.tine({"shutdown", "--now"}).exit_status == 0);
  daemon.stop();
  daemon.start();

  CHECK(daemon.record(id)["state"] == "cancelled");
}

TEST_CASE("http.get: a thousand waits of 50 ms in one worker of a coroutine pool") {
  const HttpServer server;
  TestDaemon daemon(with_io());
  const pid_t pid = io_pid(daemon);

  const auto mapped =
      daemon.tine({"map", "-g", "io", "--fn", "http.get", "--text"}, lines(1000, server.url("/slow/50/10")));

  CHECK(mapped.exit_status == 0);
  CHECK(mapped.err.substr(0, 300) == "");
  CHECK(count_of(mapped.out, R"({"body":"xxxxxxxxxx","bytes":10,"status":200})") == 1000);
  CHECK(io_pid(daemon) == pid);
}

TEST_CASE("http.get: in a pool of processes, too, and errors have a type") {
  const HttpServer server;
  TestDaemon daemon(with_io());

  for (const std::string pool : {"default", "io"}) {
    const auto got = daemon.tine(
        {"run", "-g", pool, "--fn", "http.get", "--args", "[\"" + server.url("/bytes/3") + "\"]"});
    CHECK(got.exit_status == 0);
    CHECK(Json::parse(got.out)["body"] == "xxx");
    const auto refused =
        daemon.wait(daemon.submit({"-g", pool, "--fn", "http.get", "--args", "[\"http://127.0.0.1:1/\"]"}));
    CHECK(refused["error"]["type"] == "ConnectionError");
  }
}

TEST_CASE("http.get: SSL_CERT_FILE in tined's environment names the authorities") {
  const HttpServer server(HttpServer::Kind::https);
  const std::string args = "[\"" + server.url("/bytes/3") + "\"]";
  {
    TestDaemon daemon(with_io("", {"SSL_CERT_FILE", "CURL_CA_BUNDLE"}));
    CHECK(daemon.wait(daemon.submit({"-g", "io", "--fn", "http.get", "--args", args}))["error"]["type"] ==
          "SSLError");
  }
  for (const auto& [named, other] :
       {std::pair{"SSL_CERT_FILE=", "CURL_CA_BUNDLE"}, std::pair{"CURL_CA_BUNDLE=", "SSL_CERT_FILE"}}) {
    TestDaemon daemon(with_io("", {other, named + server.certificate()}));
    CHECK(daemon.tine({"run", "-g", "io", "--fn", "http.get", "--args", args}).exit_status == 0);
  }
}

TEST_CASE("http.get: a peer that stalls is left by time-out and by cancel") {
  const HttpServer server;
  TestDaemon daemon(with_io());
  const std::string args = "[\"" + server.url("/stall") + "\"]";

  CHECK(daemon.tine({"run", "-g", "io", "-t", "300ms", "--fn", "http.get", "--args", args}).exit_status ==
        124);
  const auto id = daemon.submit({"-g", "io", "--fn", "http.get", "--args", args});
  REQUIRE(eventually([&] { return io_worker(daemon)["tasks_waiting"] == 1; }));
  daemon.tine({"cancel", id});
  CHECK(daemon.wait(id)["state"] == "cancelled");
}
