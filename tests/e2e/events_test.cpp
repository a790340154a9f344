#include <doctest/doctest.h>
#include <signal.h>

#include "tests/support/eventually.hpp"
#include "tests/support/test_daemon.hpp"

using namespace tine::test;

namespace {

std::vector<Json> events(const TestDaemon& daemon, const std::vector<std::string>& words = {}) {
  auto all = words;
  all.insert(all.begin(), "events");
  const auto printed = daemon.tine(all);
  CHECK(printed.exit_status == 0);
  return json_lines(printed.out);
}

void check_numbers(const std::vector<Json>& lines, std::uint64_t first) {
  for (const auto& line : lines) CHECK(line["seq"] == first++);
}

std::vector<std::string> types_of(const std::vector<Json>& lines, const std::string& id) {
  std::vector<std::string> types;
  for (const auto& line : lines)
    if (line.contains("job") && line["job"] == std::stoi(id)) types.push_back(line["type"]);
  return types;
}

}  // namespace

TEST_CASE("events: a job's life, numbered by one") {
  TestDaemon daemon;
  const auto id = daemon.submit({"true"});
  daemon.wait(id);
  const auto lines = events(daemon);
  check_numbers(lines, 1);
  CHECK(types_of(lines, id) == std::vector<std::string>{"job.submitted", "job.started", "job.finished"});
  CHECK(lines.back()["state"] == "succeeded");
  CHECK(lines.back()["time"].get<std::string>().size() == 27);

  const auto seq = lines.back()["seq"].get<std::uint64_t>();
  const auto other = daemon.submit({"false"});
  daemon.wait(other);
  const auto later = events(daemon, {"--since", std::to_string(seq)});
  check_numbers(later, seq + 1);
  CHECK(types_of(later, id).empty());
  CHECK(types_of(later, other).size() == 3);
}

TEST_CASE("events: -f goes on, over a death of the daemon, and skips none") {
  TestDaemon daemon({R"({"pools":[{"name":"default","size":3}]})"});
  auto follower = daemon.tine_running({"events", "-f", "--since", "0"});
  std::vector<std::string> ids;
  for (int i = 0; i < 3; ++i) {
    ids.push_back(
        daemon.submit({"-w", daemon.folder(), "--shell", "until [ -e gate ]; do sleep 0.02; done"}));
    CHECK(eventually([&] { return daemon.record(ids.back())["state"] == "running"; }));
    daemon.restart();
  }
  write_whole_file(daemon.path("gate"), "");
  for (const auto& id : ids) daemon.wait(id);
  CHECK(eventually([&] {
    const auto text = follower.out_so_far();
    std::size_t finished = 0;
    for (std::size_t at = 0; (at = text.find("job.finished", at)) != std::string::npos; ++at) ++finished;
    return finished == 3;
  }));
  follower.kill(SIGTERM);
  const auto lines = json_lines(follower.wait().out);
  check_numbers(lines, 1);
  for (const auto& id : ids)
    CHECK(types_of(lines, id) == std::vector<std::string>{"job.submitted", "job.started", "job.finished"});
}

TEST_CASE("events: a pool's and a person's doings") {
  TestDaemon daemon;
  CHECK(daemon.tine({"pool", "add", "p", "--size", "1"}).exit_status == 0);
  CHECK(daemon.tine({"pool", "close", "p"}).exit_status == 0);
  const auto id = daemon.submit({"--delay", "1h", "true"});
  CHECK(daemon.tine({"hold", id}).exit_status == 0);
  CHECK(daemon.tine({"release", id}).exit_status == 0);
  CHECK(daemon.tine({"cancel", id}).exit_status == 0);
  CHECK(eventually([&] { return types_of(events(daemon), id).size() == 4; }));
  const auto lines = events(daemon);
  CHECK(types_of(lines, id) ==
        std::vector<std::string>{"job.submitted", "job.held", "job.released", "job.finished"});
  std::vector<std::string> of_pool;
  for (const auto& line : lines)
    if (line["type"].get<std::string>().starts_with("pool.") && line["pool"] == "p")
      of_pool.push_back(line["type"]);
  CHECK(of_pool == std::vector<std::string>{"pool.added", "pool.closed"});
}

TEST_CASE("events: a worker's start, and its death with the job that it held") {
  TestDaemon daemon({R"({"pools":[{"name":"default","size":1}]})"});
  const auto id = daemon.submit({"--shell", "kill -9 $PPID; sleep 600"});
  daemon.wait(id);
  CHECK(eventually([&] {
    std::vector<std::string> of_workers;
    for (const auto& line : events(daemon))
      if (line["type"].get<std::string>().starts_with("worker.") && line["pool"] == "default")
        of_workers.push_back(line["type"].get<std::string>() +
                             (line.contains("job") ? line["job"].dump() : ""));
    return of_workers == std::vector<std::string>{"worker.started", "worker.died" + id, "worker.started"};
  }));
}

TEST_CASE("events: what is forgotten is an error that names the oldest") {
  TestDaemon daemon({R"({"keep_events": 5})"});
  CHECK(daemon
            .sh("for i in $(seq 1100); do echo '{\"command\":[\"true\"]}'; done | \"$tine\" batch --wait - "
                ">/dev/null")
            .exit_status == 0);
  CHECK(eventually([&] { return daemon.tine({"events", "--since", "0"}).exit_status == 1; }));
  const auto refused = daemon.tine({"events", "--since", "0"});
  const auto kept = events(daemon);
  REQUIRE_FALSE(kept.empty());
  CHECK(refused.err.find("the oldest kept is " + kept[0]["seq"].dump()) != std::string::npos);
  CHECK(daemon.tine({"events", "--since", "x"}).exit_status == 2);
}

TEST_CASE("clean: forgets ended jobs and their logs, and nothing else") {
  TestDaemon daemon;
  const auto waiting = daemon.submit({"--delay", "1h", "true"});
  const auto good = daemon.submit({"--shell", "seq 100000"});
  const auto bad = daemon.submit({"false"});
  daemon.wait(good), daemon.wait(bad);
  CHECK(daemon.tine({"clean", "--older", "1h"}).out == "0\n");
  CHECK(daemon.tine({"clean", "--state", "failed"}).out == "1\n");
  CHECK(daemon.tine({"show", bad}).exit_status == 1);
  CHECK(daemon.tine({"show", good}).exit_status == 0);
  CHECK(daemon.tine({"clean"}).out == "1\n");
  CHECK(daemon.tine({"show", good}).exit_status == 1);
  CHECK(daemon.sh("ls state/output | grep -c '^" + good + "[.]'").out == "0\n");
  CHECK(daemon.record(waiting)["state"] == "waiting");
  CHECK(daemon.status()["jobs"]["succeeded"] == 0);
  CHECK(std::stoi(daemon.submit({"true"})) > std::stoi(bad));
  CHECK(daemon.tine({"clean", "--state", "running"}).exit_status == 2);
  CHECK(daemon.tine({"cancel", waiting}).exit_status == 0);
}

TEST_CASE("clean: a job that another one waits for is kept") {
  TestDaemon daemon;
  const auto first = daemon.submit({"true"});
  daemon.wait(first);
  const auto second = daemon.submit({"--after", first, "--delay", "1h", "true"});
  CHECK(daemon.tine({"clean"}).out == "0\n");
  daemon.restart();
  CHECK(daemon.record(second)["state"] == "waiting");
  CHECK(daemon.tine({"cancel", second}).exit_status == 0);
}
