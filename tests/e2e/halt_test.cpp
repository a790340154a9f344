#include <doctest/doctest.h>

#include <algorithm>

#include "tests/support/eventually.hpp"
#include "tests/support/test_daemon.hpp"

using namespace tine::test;

namespace {

/// Each job says that it ran, and ends as its word asks: a number of seconds to sleep, or "bad".
std::string marking_jobs(const TestDaemon& daemon, const std::vector<std::string>& words) {
  std::string lines;
  for (std::size_t i = 0; i < words.size(); ++i)
    lines += Json{{"command",
                   {"sh", "-c", "echo >\"$1/ran.$2\"; exec sleep \"$3\" 2>/dev/null", "sh", daemon.folder(),
                    std::to_string(i), words[i]}}}
                 .dump() +
             "\n";
  return lines;
}

int marks(const TestDaemon& daemon) { return std::stoi(daemon.sh("ls | grep -c '^ran\\.' || true").out); }

}  // namespace

TEST_CASE("map --halt soon: what runs goes on to its end, and no more is started") {
  TestDaemon daemon;

  const auto finished =
      daemon.tine({"map", "-j", "2", "--halt", "soon,fail=1", "--", "sh", "-c",
                   "echo >" + daemon.path("ran.") + "{#}; test {} != bad && sleep {} && echo {}"},
                  "0\n1\nbad\n0\n0\n0\n");

  CHECK(finished.exit_status == 1);
  CHECK(finished.out == "0\n1\nnull\n");
  CHECK(finished.err.find("halted") != std::string::npos);
  CHECK(marks(daemon) == 3);
}

TEST_CASE("map --halt now: what runs is ended too") {
  TestDaemon daemon;

  const auto finished =
      daemon.tine({"map", "-j", "2", "--halt", "now,fail=1", "--", "sh", "-c",
                   "echo $$ >" + daemon.path("{}.pid") + "; case {} in bad) until test -s " +
                       daemon.path("600.pid") + "; do sleep 0.01; done; exit 1;; *) exec sleep {};; esac"},
                  "600\nbad\n0\n");

  CHECK(finished.exit_status == 1);
  CHECK(eventually([&] { return !is_alive(daemon.job_process("600")); }));
  CHECK_FALSE(daemon.sh("test -e 0.pid").exit_status == 0);
}

TEST_CASE("map --halt: success and done and a percentage") {
  TestDaemon daemon;
  const std::string lines = "bad\n0\n0\n0\n0\n0\n0\n";
  const std::vector<std::string> command = {"--", "sh", "-c", "test {} = 0 && echo {#}"};
  const auto map = [&](const std::string& halt) {
    std::vector<std::string> words = {"map", "-j", "1", "--halt", halt};
    words.insert(words.end(), command.begin(), command.end());
    return daemon.tine(words, lines);
  };

  const auto success = map("now,success=2");
  CHECK(success.exit_status == 0);
  CHECK(success.out == "null\n2\n3\n");
  CHECK(map("soon,done=2").out == "null\n2\n");
  CHECK(map("soon,fail=30%").out == "null\n2\n3\n");  // one of three, and not before there are three
  CHECK(map("soon,fail=2").out == "null\n2\n3\n4\n5\n6\n7\n");
}

TEST_CASE("map --halt: an input that has no end is left") {
  TestDaemon daemon;

  const auto finished = daemon.sh("yes 1 | \"$tine\" map --halt soon,done=5 --fn echo");

  CHECK(finished.exit_status == 0);
  CHECK(std::count(finished.out.begin(), finished.out.end(), '\n') >= 5);
}

TEST_CASE("batch --wait --halt soon: what runs goes on, the rest is cancelled") {
  TestDaemon daemon;
  const auto jobs = marking_jobs(daemon, {"0", "1", "bad", "3", "3", "0"});

  const auto finished = daemon.tine({"batch", "--wait", "--halt", "soon,fail=1", "-"}, jobs);

  CHECK(finished.exit_status == 1);
  const auto records = json_lines(finished.out);
  REQUIRE(records.size() == 6);
  CHECK(daemon.record("2")["state"] == "succeeded");
  CHECK(daemon.record("6")["state"] == "cancelled");
  CHECK(daemon.record("6")["started_at"].is_null());
}

TEST_CASE("batch --wait --halt now: all end, and none is started by the end of another") {
  TestDaemon daemon;
  const auto jobs = marking_jobs(daemon, {"600", "bad", "5", "5", "5", "5", "5", "5"});

  const auto finished = daemon.tine({"batch", "--wait", "--halt", "now,fail=1", "-"}, jobs);

  CHECK(finished.exit_status == 1);
  CHECK(json_lines(finished.out).size() == 8);
  CHECK(daemon.record("1")["state"] == "cancelled");
  CHECK(daemon.record("8")["started_at"].is_null());
}

TEST_CASE("halt: what is not understood is refused and nothing runs") {
  TestDaemon daemon;

  for (const std::string halt : {"", "now", "later,fail=1", "now,fail", "now,fail=0", "soon,fail=101%",
                                 "soon,lost=1", "now,fail=x", "fail=1,now"}) {
    CAPTURE(halt);
    const auto mapped = daemon.tine({"map", "--halt", halt, "--fn", "echo"}, "1\n");
    CHECK(mapped.exit_status == 2);
    CHECK(std::count(mapped.err.begin(), mapped.err.end(), '\n') == 1);
    CHECK(daemon.tine({"batch", "--wait", "--halt", halt, "-"}, "{\"shell\": \"true\"}\n").exit_status == 2);
  }
  CHECK(daemon.tine({"batch", "--halt", "now,fail=1", "-"}, "{\"shell\": \"true\"}\n").exit_status == 2);
  CHECK(daemon.tine({"list", "--json"}).out.empty());
}
