#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "tests/support/eventually.hpp"
#include "tests/support/test_daemon.hpp"

/// A worker whose jobs end soon is given its next ones while it runs one.
using namespace tine::test;

namespace {

constexpr int many = 300;

/// A line of a batch file.
std::string job_line(const TestDaemon& daemon, const std::string& text) {
  return Json{{"command", {"/bin/sh", "-c", text}}, {"workdir", daemon.folder()}}.dump() + "\n";
}

/// A batch of short jobs, each of which writes its id; `special`: the command of the one at `at`.
std::vector<std::string> submit_batch(const TestDaemon& daemon, int count, int at = -1,
                                      const std::string& special = "") {
  std::string jobs;
  for (int i = 0; i < count; ++i) jobs += job_line(daemon, i == at ? special : "echo $TINE_JOB_ID >>effects");
  const auto submitted = daemon.tine({"batch", "-"}, jobs);
  REQUIRE(submitted.exit_status == 0);
  std::vector<std::string> ids;
  std::istringstream lines(submitted.out);
  for (std::string line; std::getline(lines, line);) ids.push_back(line);
  REQUIRE(ids.size() == static_cast<std::size_t>(count));
  return ids;
}

std::vector<std::string> effects(const TestDaemon& daemon) {
  std::vector<std::string> ids;
  std::istringstream lines(read_whole_file(daemon.path("effects")));
  for (std::string line; std::getline(lines, line);) ids.push_back(line);
  return ids;
}

std::map<std::string, int> times_of(const std::vector<std::string>& ids) {
  std::map<std::string, int> times;
  for (const auto& id : ids) ++times[id];
  return times;
}

std::map<std::string, std::string> states(const TestDaemon& daemon) {
  std::map<std::string, std::string> states;
  for (const auto& job : json_lines(daemon.tine({"list", "--json", "--limit", "100000"}).out))
    states[std::to_string(job["id"].get<long>())] = job["state"];
  return states;
}

bool has_begun_some(const TestDaemon& daemon, std::size_t count) {
  return eventually([&] { return effects(daemon).size() >= count; });
}

DaemonSetup in_pool_of(int size) {
  return {.config = R"({"pools": [{"name": "default", "size": )" + std::to_string(size) + "}]}"};
}

}  // namespace

TEST_CASE("ahead: in a pool of one all run in their order, also behind one that takes long") {
  TestDaemon daemon(in_pool_of(1));
  const auto ids = submit_batch(daemon, many, many / 2, "echo $TINE_JOB_ID >>effects; sleep 0.3");
  REQUIRE(daemon.tine({"wait", "--all"}).exit_status == 0);
  CHECK(effects(daemon) == ids);
}

TEST_CASE("ahead: one that does not end holds up none behind it") {
  TestDaemon daemon(in_pool_of(2));
  const auto ids = submit_batch(daemon, many, many / 2, "exec sleep 600");
  const auto& long_one = ids[many / 2];
  CHECK(eventually([&] { return effects(daemon).size() == ids.size() - 1; }));
  CHECK(daemon.record(long_one)["state"] == "running");
  CHECK(daemon.tine({"cancel", long_one}).exit_status == 0);
  CHECK(daemon.wait(long_one)["state"] == "cancelled");
}

TEST_CASE("ahead: what is cancelled or held meanwhile does not run, all else does, once") {
  TestDaemon daemon(in_pool_of(1));
  const auto ids = submit_batch(daemon, many);
  REQUIRE(has_begun_some(daemon, 40));
  CHECK(daemon.tine({"cancel", ids[50] + "-" + ids[150]}).exit_status <= 1);
  const auto held = daemon.tine({"hold", ids.back()});
  REQUIRE(daemon.tine({"wait", ids.front() + "-" + ids[many - 2]}).exit_status <= 125);
  if (held.exit_status == 0) CHECK(daemon.record(ids.back())["state"] == "held");
  CHECK((daemon.tine({"release", ids.back()}).exit_status == 0 || held.exit_status != 0));
  daemon.wait(ids.back());

  const auto times = times_of(effects(daemon));
  for (const auto& [id, state] : states(daemon)) {
    CAPTURE(id);
    const int ran = times.contains(id) ? times.at(id) : 0;
    if (state == "succeeded") CHECK(ran == 1);
    if (state == "cancelled") CHECK(ran <= 1);  // killed while it ran
    CHECK((state == "succeeded" || state == "cancelled"));
  }
}

TEST_CASE("ahead: a paused pool begins nothing more, and goes on where it was") {
  TestDaemon daemon(in_pool_of(2));
  const auto ids = submit_batch(daemon, many);
  REQUIRE(has_begun_some(daemon, 40));
  REQUIRE(daemon.tine({"pool", "pause", "default"}).exit_status == 0);
  // What runs is stopped with it: two at most have begun and not written.
  const auto begun = effects(daemon).size();
  REQUIRE(begun < ids.size() - 2);
  CHECK(daemon.status()["jobs"]["running"].get<int>() <= 2);
  const auto queued = daemon.status()["jobs"]["queued"].get<std::size_t>();
  CHECK(queued + begun + 2 >= ids.size());
  CHECK(effects(daemon).size() == begun);
  REQUIRE(daemon.tine({"pool", "resume", "default"}).exit_status == 0);
  REQUIRE(daemon.tine({"wait", "--all"}).exit_status == 0);
  CHECK(times_of(effects(daemon)).size() == ids.size());
  CHECK(effects(daemon).size() == ids.size());
}

TEST_CASE("ahead: a job of higher priority comes before what is not begun") {
  TestDaemon daemon(in_pool_of(1));
  const auto ids = submit_batch(daemon, 3 * many);
  REQUIRE(has_begun_some(daemon, 40));
  const auto urgent =
      daemon.submit({"-w", daemon.folder(), "--priority", "5", "--shell", "echo $TINE_JOB_ID >>effects"});
  REQUIRE(daemon.tine({"wait", "--all"}).exit_status == 0);
  const auto order = effects(daemon);
  const auto place = static_cast<std::size_t>(std::find(order.begin(), order.end(), urgent) - order.begin());
  // Its submit and its intent to start are two waits for the disk, in which some are begun.
  CHECK(place < ids.size() / 2);
}

TEST_CASE("ahead: a killed worker loses the job that it ran, and runs what it had ahead elsewhere") {
  TestDaemon daemon(in_pool_of(1));
  const auto ids = submit_batch(daemon, many, many / 2, "kill -9 $PPID; sleep 600");
  daemon.tine({"wait", "--all"});
  const auto times = times_of(effects(daemon));
  for (const auto& [id, state] : states(daemon)) {
    CAPTURE(id);
    CHECK(state == (id == ids[many / 2] ? "lost" : "succeeded"));
    if (id != ids[many / 2]) CHECK(times.at(id) == 1);
  }
}

TEST_CASE("ahead: tined killed in the middle, again and again, loses and repeats nothing") {
  TestDaemon daemon(in_pool_of(2));
  const auto ids = submit_batch(daemon, many);
  for (const std::size_t count : {30, 90, 150, 210}) {
    REQUIRE(has_begun_some(daemon, count));
    daemon.restart();
  }
  REQUIRE(daemon.tine({"wait", "--all"}).exit_status == 0);
  const auto times = times_of(effects(daemon));
  CHECK(times.size() == ids.size());
  CHECK(std::all_of(times.begin(), times.end(), [](const auto& entry) { return entry.second == 1; }));
}

TEST_CASE("ahead: each has its submitter's environment, whatever was taken back before it") {
  TestDaemon daemon(in_pool_of(1));
  const auto lines = [&](int count, const std::string& text) {
    std::string jobs;
    for (int i = 0; i < count; ++i) jobs += job_line(daemon, text);
    return jobs;
  };
  REQUIRE(daemon.sh("mkfifo go").exit_status == 0);
  const std::string writes = "echo $M >>effects";
  const auto first =
      daemon.sh("M=one $tine batch -", lines(60, writes) + lines(1, "cat go") + lines(3, writes));
  const auto second = daemon.sh("M=two $tine batch -", lines(60, writes));
  REQUIRE(first.exit_status + second.exit_status == 0);
  REQUIRE(has_begun_some(daemon, 60));
  REQUIRE(eventually([&] { return daemon.status()["jobs"]["running"] == 1; }));
  // Those of the first behind the one that waits: what comes next is of the second.
  CHECK(daemon.tine({"cancel", "62-64"}).exit_status == 0);
  REQUIRE(daemon.sh("echo >go").exit_status == 0);
  daemon.tine({"wait", "--all"});
  const auto times = times_of(effects(daemon));
  CHECK(times.at("one") == 60);
  CHECK(times.at("two") == 60);
}

TEST_CASE("ahead: a drain begins nothing more, and the next start runs the rest") {
  TestDaemon daemon(in_pool_of(2));
  const auto ids = submit_batch(daemon, many);
  REQUIRE(has_begun_some(daemon, 40));
  CHECK(daemon.stop().exit_status == 0);
  const auto begun = effects(daemon).size();
  CHECK(begun < ids.size());
  daemon.start();
  REQUIRE(daemon.tine({"wait", "--all"}).exit_status == 0);
  CHECK(effects(daemon).size() == ids.size());
  CHECK(times_of(effects(daemon)).size() == ids.size());
}
