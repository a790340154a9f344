#include <doctest/doctest.h>

#include <filesystem>

#include "tests/support/eventually.hpp"
#include "tests/support/test_daemon.hpp"

using namespace tine::test;

namespace {

/// Submits `count` jobs that are acknowledged and stay queued, and kills tined. Returns the last id.
unsigned long long acknowledged_jobs(TestDaemon& daemon, int count) {
  daemon.submit({"sleep", "600"});
  unsigned long long last = 0;
  for (int i = 0; i < count; ++i) last = std::stoull(daemon.submit({"true"}));
  daemon.kill9();
  return last;
}

std::size_t jobs_known(const TestDaemon& daemon) {
  return json_lines(daemon.tine({"list", "--json"}).out).size();
}

const DaemonSetup one_worker{R"({"pools": [{"name": "default", "size": 1}]})"};

/// What the log says of jobs that are missing.
std::size_t announced_missing(const TestDaemon& daemon) {
  const auto log = daemon.log();
  const auto at = log.find(" acknowledged jobs are missing");
  if (at == std::string::npos) return 0;
  return std::stoull(log.substr(log.rfind(' ', at - 1) + 1));
}

}  // namespace

TEST_CASE("damaged store: a WAL cut short is announced with the number of jobs, and no id comes twice") {
  TestDaemon daemon(one_worker);
  const auto last = acknowledged_jobs(daemon, 20);
  const auto wal = daemon.path("state/jobs.db-wal");
  std::filesystem::resize_file(wal, std::filesystem::file_size(wal) * 2 / 3);

  daemon.start();

  const auto known = jobs_known(daemon);
  CHECK(known < 21);
  CHECK(announced_missing(daemon) == 21 - known);
  // Though the damage is told once, what was acknowledged stays taken.
  daemon.restart();
  CHECK(announced_missing(daemon) == 0);
  CHECK(std::stoull(daemon.submit({"true"})) > last);
}

TEST_CASE("damaged store: without its WAL it is announced, and no id comes twice") {
  TestDaemon daemon(one_worker);
  const auto last = acknowledged_jobs(daemon, 5);
  std::filesystem::remove(daemon.path("state/jobs.db-wal"));

  daemon.start();

  CHECK(announced_missing(daemon) == 6 - jobs_known(daemon));
  CHECK(std::stoull(daemon.submit({"true"})) > last);
}

TEST_CASE("damaged store: garbage in its place ends the start with 74, and stays as it is") {
  TestDaemon daemon(one_worker);
  daemon.stop();
  const std::string garbage(8192, 'x');
  write_whole_file(daemon.path("state/jobs.db"), garbage);

  const auto started = daemon.sh("timeout 20 \"$tined\"");

  CAPTURE(started.err);
  CHECK(started.exit_status == 74);
  CHECK(started.err.find("jobs.db") != std::string::npos);
  CHECK(read_whole_file(daemon.path("state/jobs.db")) == garbage);
  std::filesystem::remove(daemon.path("state/jobs.db"));
}

TEST_CASE("damaged store: nothing is announced when nothing was lost") {
  TestDaemon daemon(one_worker);
  acknowledged_jobs(daemon, 3);

  daemon.start();

  CHECK(daemon.log().find("damaged") == std::string::npos);
  CHECK(jobs_known(daemon) == 4);
}
