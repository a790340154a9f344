#include <doctest/doctest.h>

#include <algorithm>

#include "tests/support/eventually.hpp"
#include "tests/support/test_daemon.hpp"

using namespace tine::test;

namespace {

std::string state_of(const TestDaemon& daemon, const std::string& id) {
  return daemon.record(id)["state"].get<std::string>();
}

std::string why(const TestDaemon& daemon, const std::string& id) { return daemon.tine({"why", id}).out; }

}  // namespace

TEST_CASE("after: a job starts when those before it have succeeded") {
  TestDaemon daemon;
  CHECK(daemon.sh("mkfifo go").exit_status == 0);
  const auto gated = daemon.submit({"-w", daemon.folder(), "--shell", "cat go >/dev/null; echo one >>order"});
  const auto last = daemon.submit({"-w", daemon.folder(), "--after", gated, "--shell", "echo two >>order"});

  CHECK(state_of(daemon, last) == "waiting");
  CHECK(why(daemon, last) == "job " + last + " waits for the end of " + gated + " (afterok)\n");
  CHECK(daemon.status()["jobs"]["waiting"] == 1);
  CHECK(daemon.sh("echo >go").exit_status == 0);

  CHECK(daemon.wait(last)["state"] == "succeeded");
  CHECK(read_whole_file(daemon.path("order")) == "one\ntwo\n");
}

TEST_CASE("dependency: each of Slurm's words, and one that can never hold") {
  TestDaemon daemon;
  const auto good = daemon.submit({"true"}), bad = daemon.submit({"false"});
  daemon.wait(good), daemon.wait(bad);

  struct Case {
    std::string dependency, state;
  };
  for (const auto& [dependency, state] :
       {Case{"afterok:" + good, "succeeded"}, Case{"afterok:" + bad, "cancelled"},
        Case{"afternotok:" + bad, "succeeded"}, Case{"afternotok:" + good, "cancelled"},
        Case{"afterany:" + good + ":" + bad, "succeeded"},
        Case{"afterok:" + good + ",afternotok:" + bad, "succeeded"}}) {
    CAPTURE(dependency);
    const auto id = daemon.submit({"--dependency", dependency, "true"});
    const auto waited = daemon.tine({"wait", id});
    const auto record = daemon.record(id);
    CHECK(record["state"] == state);
    CHECK(waited.exit_status == (state == "succeeded" ? 0 : 125));
    if (state == "cancelled") CHECK(record["reason"] == "dependency");
  }
}

TEST_CASE("dependency: one that fails ends the whole chain behind it") {
  TestDaemon daemon;
  const auto first = daemon.submit({"--delay", "300ms", "false"});
  const auto second = daemon.submit({"--after", first, "true"});
  const auto third = daemon.submit({"--after", second, "true"});
  const auto anyway = daemon.submit({"--dependency", "afterany:" + second, "true"});

  CHECK(daemon.wait(third)["reason"] == "dependency");
  CHECK(daemon.wait(second)["state"] == "cancelled");
  CHECK(daemon.wait(anyway)["state"] == "succeeded");
}

TEST_CASE("dependency: unknown jobs and malformed lists are refused, and nothing is stored") {
  TestDaemon daemon;
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"--after", "4711"},
                                             {"--after", "x"},
                                             {"--after", ""},
                                             {"--dependency", "afterok:4711"},
                                             {"--dependency", "later:1"},
                                             {"--dependency", "afterok"},
                                             {"--after", "1"}}) {
    CAPTURE(words[1]);
    auto all = words;
    all.insert(all.begin(), "submit");
    all.push_back("true");
    const auto refused = daemon.tine(all);
    CHECK(refused.exit_status == 2);
    CHECK(std::count(refused.err.begin(), refused.err.end(), '\n') == 1);
  }
}

TEST_CASE("after and delay outlive the daemon") {
  TestDaemon daemon;
  const auto first = daemon.submit({"--delay", "5s", "true"});
  const auto second = daemon.submit({"--after", first, "true"});
  const auto never = daemon.submit({"--dependency", "afternotok:" + first, "true"});
  daemon.restart();
  CHECK(state_of(daemon, first) == "waiting");
  CHECK(state_of(daemon, second) == "waiting");

  CHECK(daemon.wait(second)["state"] == "succeeded");
  CHECK(daemon.wait(never)["state"] == "cancelled");
  const auto record = daemon.record(first);
  CHECK(record["started_at"].get<std::string>() > record["submitted_at"].get<std::string>());
}

TEST_CASE("delay and at: not before the time; one that is past is refused") {
  TestDaemon daemon;
  const auto soon = daemon.sh("date -u -d '+4 seconds' +%Y-%m-%dT%H:%M:%SZ").out.substr(0, 20);
  const auto id = daemon.submit({"--at", soon, "true"});
  const auto far = daemon.submit({"--at", "tomorrow 06:00", "true"});
  CHECK(state_of(daemon, id) == "waiting");
  CHECK(why(daemon, far).find("waits until ") != std::string::npos);
  const auto record = daemon.wait(id);
  CHECK(record["started_at"].get<std::string>().substr(0, 19) >= soon.substr(0, 19));
  CHECK(daemon.tine({"cancel", far}).exit_status == 0);
  CHECK(state_of(daemon, far) == "cancelled");

  for (const std::string time : {"2001-01-01T00:00:00Z", "soon", "25:00"}) {
    CAPTURE(time);
    CHECK(daemon.tine({"submit", "--at", time, "true"}).exit_status == 2);
  }
  CHECK(daemon.tine({"submit", "--at", "18:00", "--delay", "1h", "true"}).exit_status == 2);
}

TEST_CASE("hold and release: a held job is not started, over a restart of the daemon too") {
  TestDaemon daemon;
  CHECK(daemon.tine({"pool", "add", "one", "--size", "1"}).exit_status == 0);
  const auto running = daemon.submit({"-g", "one", "sleep", "600"});
  const auto id = daemon.submit({"-g", "one", "true"});
  CHECK(daemon.tine({"hold", id}).exit_status == 0);
  CHECK(daemon.tine({"hold", id}).exit_status == 0);
  CHECK(state_of(daemon, id) == "held");
  CHECK(daemon.status()["jobs"]["held"] == 1);
  CHECK(eventually([&] { return state_of(daemon, running) == "running"; }));
  CHECK(daemon.tine({"hold", running}).exit_status == 1);
  CHECK(daemon.tine({"hold", "4711"}).exit_status == 1);

  daemon.restart();
  CHECK(daemon.tine({"cancel", running}).exit_status == 0);
  daemon.wait(running);
  const auto other = daemon.submit({"-g", "one", "true"});
  CHECK(daemon.wait(other)["state"] == "succeeded");
  CHECK(state_of(daemon, id) == "held");
  CHECK(why(daemon, id).find("is held") != std::string::npos);
  CHECK(daemon.tine({"list", "--state", "held", "--json"}).out.find("\"id\":" + id) != std::string::npos);

  CHECK(daemon.tine({"release", id}).exit_status == 0);
  CHECK(daemon.wait(id)["state"] == "succeeded");
}

TEST_CASE("priority: the higher goes first") {
  TestDaemon daemon({R"({"pools":[{"name":"default","size":1}]})"});
  const auto gate = daemon.submit({"sleep", "600"});
  CHECK(eventually([&] { return state_of(daemon, gate) == "running"; }));
  for (const std::string priority : {"-5", "0", "7"})
    daemon.submit(
        {"-w", daemon.folder(), "--priority", priority, "--shell", "echo " + priority + " >>order"});
  CHECK(why(daemon, "last").find("waits for 1 slot of pool default: 1 of 1 are taken") != std::string::npos);
  CHECK(daemon.tine({"cancel", gate}).exit_status == 0);
  daemon.wait(gate);
  daemon.tine({"wait", "--all"});
  CHECK(read_whole_file(daemon.path("order")) == "7\n0\n-5\n");
}
