#include <doctest/doctest.h>
#include <signal.h>

#include <map>
#include <regex>
#include <sstream>

#include "tests/support/eventually.hpp"
#include "tests/support/test_daemon.hpp"

using namespace tine::test;

namespace {

/// Samples by name and labels; a line that is not in the format fails the test, as does a sample without HELP
/// and TYPE before it.
std::map<std::string, double> metrics(const TestDaemon& daemon) {
  static const std::regex sample(
      R"re(([a-z_]+)(\{[a-z_]+="([^"\\]|\\.)*"(,[a-z_]+="([^"\\]|\\.)*")*\})? ([0-9.e+-]+))re");
  const auto finished = daemon.tine({"metrics"});
  REQUIRE(finished.exit_status == 0);
  std::map<std::string, double> found;
  std::istringstream lines(finished.out);
  std::string family, type;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string hash, what;
    if (line.rfind("# HELP ", 0) == 0) {
      words >> hash >> what >> family;
      type.clear();
    } else if (line.rfind("# TYPE ", 0) == 0) {
      std::string name;
      words >> hash >> what >> name >> type;
      CHECK(name == family);
      CHECK((type == "gauge" || type == "counter"));
      CHECK((type == "counter") == name.ends_with("_total"));
    } else {
      std::smatch match;
      CAPTURE(line);
      REQUIRE(std::regex_match(line, match, sample));
      CHECK(match[1] == family);
      CHECK_FALSE(type.empty());
      found[match[1].str() + match[2].str()] = std::stod(match[6]);
    }
  }
  return found;
}

}  // namespace

TEST_CASE("metrics: jobs and pools and workers, and they count on") {
  TestDaemon daemon;
  CHECK(metrics(daemon)["tine_jobs_submitted_total"] == 0);

  daemon.tine({"run", "true"});
  daemon.tine({"run", "false"});
  daemon.submit({"--shell", "echo $$ >job.pid; exec sleep 600", "-w", daemon.folder()});
  daemon.job_process("job");
  for (int i = 0; i < 3; ++i) daemon.submit({"sleep", "600"});

  const auto busy = [&] { return metrics(daemon)["tine_pool_busy{pool=\"default\"}"] == 2; };
  CHECK(eventually(busy));
  auto now = metrics(daemon);
  CHECK(now["tine_jobs{state=\"succeeded\"}"] == 1);
  CHECK(now["tine_jobs{state=\"running\"}"] == 2);
  CHECK(now["tine_jobs_submitted_total"] == 6);
  CHECK(now["tine_jobs_finished_total{state=\"failed\"}"] == 1);
  CHECK(now["tine_pool_size{pool=\"default\"}"] == 2);
  CHECK(now["tine_pool_queued{pool=\"default\"}"] == 2);
  CHECK(now["tine_workers_started_total"] == 2);
  CHECK(now["tine_workers_died_total"] == 0);
  CHECK(now["tine_store_commits_total"] > 0);
  CHECK(now["tine_uptime_seconds"] > 0);
  CHECK(now["process_resident_memory_bytes"] > 1e6);

  const auto worker = daemon.status()["pools"][0]["workers"][0]["pid"].get<pid_t>();
  REQUIRE(worker > 1);
  ::kill(worker, SIGKILL);
  CHECK(eventually([&] { return metrics(daemon)["tine_workers_died_total"] == 1; }));
  CHECK(eventually([&] { return metrics(daemon)["tine_workers_started_total"] == 3; }));
}

TEST_CASE("metrics: after a restart the counters begin anew and the gauges know what was") {
  TestDaemon daemon;
  daemon.tine({"run", "true"});

  daemon.restart();

  CHECK(metrics(daemon)["tine_jobs_submitted_total"] == 0);
  CHECK(metrics(daemon)["tine_jobs{state=\"succeeded\"}"] == 1);
}

TEST_CASE("metrics --json: a family a line; without a daemon 69, and none is started") {
  TestDaemon daemon;
  const auto families = json_lines(daemon.tine({"metrics", "--json"}).out);
  CHECK(families.size() > 10);
  CHECK(families[0]["samples"][0]["value"] == 1);

  DaemonSetup none = without_a_daemon();
  TestDaemon absent(none);
  CHECK(absent.tine({"metrics"}).exit_status == 69);
  CHECK(absent.tine({"ping"}).exit_status == 69);
}
