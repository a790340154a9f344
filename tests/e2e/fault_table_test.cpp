#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "tests/support/eventually.hpp"
#include "tests/support/test_daemon.hpp"

using namespace tine::test;

/// The table "What a kill -9 leaves behind" of ARCHITECTURE.md, row by row: a process is killed at each named
/// step of a job's life, and what was acknowledged must come out right. The job appends its id to `ran` and
/// exits 3; its callback appends its event id to `told`.
namespace {

DaemonSetup one_worker_later() {
  DaemonSetup setup;
  setup.config = R"({"pools": [{"name": "default", "size": 1}]})";
  setup.starts = false;
  return setup;
}

const std::vector<std::string> job = {"--callback", R"-(sed 's/.*"event_id":"\([^"]*\)".*/\1/' >>told)-",
                                      "--shell", "echo $TINE_JOB_ID >>ran; exit 3"};

std::size_t count_of(const std::vector<std::string>& lines, const std::string& line) {
  return static_cast<std::size_t>(std::count(lines.begin(), lines.end(), line));
}

Running submit_job(const TestDaemon& daemon) {
  std::vector<std::string> words = {"submit", "-w", daemon.folder()};
  words.insert(words.end(), job.begin(), job.end());
  return daemon.tine_running(words);
}

std::string first_word(const std::string& text) { return text.substr(0, text.find('\n')); }

/// The job has ended as `state` says, has run at most once, and its callback was told under its one event id.
void check_end(const TestDaemon& daemon, const std::string& id, const std::string& state) {
  CAPTURE(id);
  daemon.tine({"wait", id});
  REQUIRE(eventually([&] { return daemon.record(id)["callback"]["state"] != "pending"; }));
  const auto record = daemon.record(id);
  CAPTURE(record.dump());
  CHECK(record["state"] == state);
  CHECK(record["callback"]["state"] == "succeeded");
  const auto ran = count_of(lines_of(read_whole_file(daemon.path("ran"))), id);
  if (state == "failed") {
    CHECK(record["exit_code"] == 3);
    CHECK(record["attempt"] == 1);
    CHECK(ran == 1);
  } else {
    CHECK(ran <= 1);
  }
  const auto told = lines_of(read_whole_file(daemon.path("told")));
  CHECK(count_of(told, record["callback"]["event_id"]) >= 1);
}

/// Nothing is left but the jobs in the store: no spool, no output, no input.
void check_no_leftovers(TestDaemon& daemon) {
  // The next daemon's own workers take a while to arrive.
  CHECK(daemon.tine({"run", "true"}).exit_status == 0);
  CHECK(daemon.tine({"shutdown"}).exit_status == 0);
  CHECK(eventually([&] { return daemon.has_died(); }));
  for (const char* folder : {"state/spool", "state/output", "state/stdin"}) {
    CAPTURE(folder);
    CHECK(eventually([&] { return std::filesystem::is_empty(daemon.path(folder)); }));
  }
}

/// kill -9 of tined at `failpoint`, while it works on one job. `waits_in_line`: another keeps the worker
/// busy.
void kill_daemon_at(const std::string& failpoint, bool waits_in_line) {
  CAPTURE(failpoint);
  CAPTURE(waits_in_line);
  TestDaemon daemon(one_worker_later());
  daemon.start_with_failpoint(failpoint);
  std::string first;
  if (waits_in_line)
    first = daemon.submit({"-w", daemon.folder(), "--shell", "while [ ! -e gate ]; do sleep 0.01; done"});

  auto submitting = submit_job(daemon);
  REQUIRE(eventually([&] { return submitting.has_ended() || daemon.has_died(); }));
  write_whole_file(daemon.path("gate"), "");
  REQUIRE(eventually([&] { return daemon.has_died(); }));
  CHECK(daemon.failpoint_was_hit());
  const auto submitted = submitting.wait();
  CHECK((submitted.exit_status == 0 || submitted.exit_status == 69));
  if (submitted.exit_status == 69) CHECK(submitted.out.empty());
  daemon.start();

  std::set<std::string> known;
  for (const auto& record : json_lines(daemon.tine({"list", "--json"}).out))
    known.insert(std::to_string(record["id"].get<unsigned long long>()));
  if (submitted.exit_status == 0) CHECK(known.count(first_word(submitted.out)) == 1);
  known.erase(first);
  CHECK(known.size() <= 1);
  for (const auto& id : known) check_end(daemon, id, "failed");
  if (!first.empty()) CHECK(daemon.wait(first)["state"] == "succeeded");
  check_no_leftovers(daemon);
}

/// kill -9 of the worker (or the zygote) at `failpoint`; the daemon lives on.
void kill_worker_at(const std::string& failpoint, const std::string& state) {
  CAPTURE(failpoint);
  TestDaemon daemon(one_worker_later());
  daemon.start_with_failpoint(failpoint + "=kill");

  const auto submitted = submit_job(daemon).wait();
  REQUIRE(submitted.exit_status == 0);
  const auto id = first_word(submitted.out);

  check_end(daemon, id, state);
  CHECK(daemon.failpoint_was_hit());
  CHECK(eventually([&] { return daemon.status()["pools"][0]["workers"].size() == 1; }));
  check_no_leftovers(daemon);
}

void kill_zygote_and_workers(const TestDaemon& daemon) {
  daemon.sh(
      "for p in /proc/[0-9]*; do tr '\\0' '\\n' <$p/environ 2>/dev/null | grep -qx \"dir=$dir\" && "
      "grep -qE '^tine-(zygote|worker)' $p/comm && kill -9 ${p#/proc/}; done; true");
}

/// kill -9 of worker, zygote and daemon, the worker at `failpoint`; then a new daemon.
void kill_all_at(const std::string& failpoint, const std::string& state) {
  CAPTURE(failpoint);
  TestDaemon daemon(one_worker_later());
  daemon.start_with_failpoint(failpoint + "=stop");

  const auto submitted = submit_job(daemon).wait();
  REQUIRE(submitted.exit_status == 0);
  REQUIRE(eventually([&] { return daemon.failpoint_was_hit(); }));
  daemon.kill9();
  kill_zygote_and_workers(daemon);
  daemon.start();

  check_end(daemon, first_word(submitted.out), state);
  check_no_leftovers(daemon);
}

}  // namespace

TEST_CASE("fault table: tined dies before the id is printed") {
  kill_daemon_at("job.received=kill", false);
  kill_daemon_at("store.commit=kill", false);
  kill_daemon_at("store.committed=kill", false);
  kill_daemon_at("store.acknowledged=kill", false);
  kill_daemon_at("job.stored=kill", false);
}

TEST_CASE("fault table: tined dies between the printed id and the order") {
  kill_daemon_at("job.id_printed=kill", false);
  kill_daemon_at("job.offered=kill", false);
  kill_daemon_at("job.sent=kill", false);
}

TEST_CASE("fault table: tined dies while a job waits in line and is chosen") {
  kill_daemon_at("job.id_printed=kill@2", true);
  kill_daemon_at("job.chosen=kill", true);
  kill_daemon_at("intent.stored=kill", true);
  kill_daemon_at("job.offered=kill@2", true);
  kill_daemon_at("job.sent=kill@2", true);
}

TEST_CASE("fault table: tined dies when the job has ended") {
  kill_daemon_at("end.received=kill", false);
  kill_daemon_at("end.stored=kill", false);
  kill_daemon_at("end.received=kill@2", true);
}

TEST_CASE("fault table: tined dies before the callback is acknowledged") {
  kill_daemon_at("callback.intended=kill", false);
  kill_daemon_at("callback.offered=kill", false);
  kill_daemon_at("callback.sent=kill", false);
  kill_daemon_at("callback.ended=kill", false);
  kill_daemon_at("callback.stored=kill", false);
}

TEST_CASE("fault table: a worker dies before it has begun the job") {
  kill_worker_at("worker.born", "failed");
  kill_worker_at("worker.hello", "failed");
  kill_worker_at("worker.received", "failed");
}

TEST_CASE("fault table: a worker dies and nobody has seen the command's end") {
  kill_worker_at("worker.begun", "lost");
  kill_worker_at("worker.execd", "lost");
  kill_worker_at("worker.ended", "lost");
  kill_worker_at("worker.judged", "lost");
}

TEST_CASE("fault table: a worker dies when its record is complete") {
  kill_worker_at("worker.recorded", "failed");
  kill_worker_at("worker.reported", "failed");
}

TEST_CASE("fault table: the zygote dies while it forks") {
  kill_worker_at("zygote.fork", "failed");
  kill_worker_at("zygote.forked", "failed");
}

TEST_CASE("fault table: worker, zygote and tined die together") {
  kill_all_at("worker.received", "failed");
  kill_all_at("worker.begun", "lost");
  kill_all_at("worker.execd", "lost");
  kill_all_at("worker.judged", "lost");
  kill_all_at("worker.recorded", "failed");
}

TEST_CASE("fault table: worker, zygote and tined die while the worker leaves") {
  TestDaemon daemon({.config = R"({"pools": [{"name": "default", "size": 2}]})", .starts = false});
  daemon.start_with_failpoint("worker.left=stop");
  const auto first = daemon.submit({"sleep", "0.3"}), second = daemon.submit({"sleep", "0.3"});
  daemon.wait(first);
  daemon.wait(second);
  CHECK(daemon.tine({"pool", "resize", "default", "1"}).exit_status == 0);
  REQUIRE(eventually([&] { return daemon.failpoint_was_hit(); }));

  daemon.kill9();
  kill_zygote_and_workers(daemon);
  daemon.start();

  check_no_leftovers(daemon);
}

TEST_CASE("fault table: a client dies before it has printed the id") {
  TestDaemon daemon(one_worker_later());
  daemon.start_with_failpoint("job.stored=stop");
  auto submitting = submit_job(daemon);
  REQUIRE(eventually([&] { return daemon.failpoint_was_hit(); }));

  submitting.kill(SIGKILL);
  submitting.wait();
  ::kill(daemon.pid(), SIGCONT);

  check_end(daemon, "1", "failed");
  check_no_leftovers(daemon);
}

TEST_CASE("fault table: an end that nobody saw is lost once, though tined dies before it has stored that") {
  TestDaemon daemon(one_worker_later());
  daemon.start({"TINE_FAILPOINT=worker.execd=kill,end.unwitnessed=kill"});
  REQUIRE(eventually([&] { return daemon.status()["pools"][0]["workers"].size() == 1; }));
  const auto id = first_word(submit_job(daemon).wait().out);
  REQUIRE(eventually([&] { return daemon.has_died(); }));
  daemon.start();

  check_end(daemon, id, "lost");
  check_no_leftovers(daemon);
}
