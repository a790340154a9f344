#include <doctest/doctest.h>
#include <sys/stat.h>

#include "tests/support/test_daemon.hpp"

using namespace tine::test;

namespace {

std::string on_a_terminal(const TestDaemon& daemon, const std::string& command) {
  return daemon.sh("export TERM=xterm; script -qec '" + command + "' /dev/null </dev/null").out;
}

bool has_colours(const std::string& text) { return text.find("\033[3") != std::string::npos; }

}  // namespace

TEST_CASE("colours: on a terminal alone, and not with NO_COLOR") {
  TestDaemon daemon;
  daemon.tine({"run", "false"});

  CHECK(on_a_terminal(daemon, "\"$tine\" list").find("\033[31mfailed\033[0m") != std::string::npos);
  CHECK(has_colours(on_a_terminal(daemon, "\"$tine\" status")));
  CHECK_FALSE(has_colours(on_a_terminal(daemon, "NO_COLOR=1 \"$tine\" list")));
  CHECK(has_colours(on_a_terminal(daemon, "NO_COLOR= \"$tine\" list")));
  CHECK_FALSE(has_colours(on_a_terminal(daemon, "TERM=dumb \"$tine\" list")));
  CHECK_FALSE(has_colours(daemon.tine({"list"}).out));
  CHECK_FALSE(has_colours(on_a_terminal(daemon, "\"$tine\" list --json")));
}

TEST_CASE("tine alone: prints the status") {
  TestDaemon daemon;

  CHECK(daemon.tine({}).out.find("POOL     KIND") != std::string::npos);
  CHECK(daemon.tine({"--json"}).out.find("{\"schema\":1") == 0);
}

TEST_CASE("list --columns: these, in this order") {
  TestDaemon daemon;
  daemon.submit({"-n", "first", "--label", "k=v", "true"});
  daemon.wait("1");

  CHECK(daemon.tine({"list", "--columns", "name,id,labels,reason"}).out ==
        "NAME/COMMAND  ID  LABELS  REASON\nfirst         1   k=v     exit\n");
  CHECK(daemon.tine({"list", "--columns", "id"}).out == "ID\n1\n");
  for (const std::string wrong : {"", "id,", "nothing", "id,,state"})
    CHECK(daemon.tine({"list", "--columns", wrong}).exit_status == 2);
}

TEST_CASE("list --since: so long ago, a local time, or RFC 3339") {
  TestDaemon daemon;
  daemon.wait(daemon.submit({"true"}));
  const auto count = [&](const std::string& since) {
    const auto listed = daemon.tine({"list", "--json", "--since", since});
    CHECK(listed.exit_status == 0);
    return json_lines(listed.out).size();
  };
  for (const char* past : {"1h", "2d", "00:00:00", "2026-01-01", "2026-01-01T00:00:00Z", "@0"}) {
    CAPTURE(past);
    CHECK(count(past) == 1);
  }
  CHECK(count("2099-01-01") == 0);
  CHECK(daemon.tine({"list", "--since", "soon"}).exit_status == 2);
}

TEST_CASE("doctor: all well with a daemon and without, and it starts none") {
  DaemonSetup setup = without_a_daemon();
  TestDaemon daemon(setup);

  CHECK(daemon.tine({"doctor"}).exit_status == 0);
  CHECK(daemon.tine({"ping"}).exit_status == 69);
  daemon.start();
  daemon.tine({"run", "true"});
  const auto looks = daemon.tine({"doctor"});
  CHECK(looks.exit_status == 0);
  CHECK(looks.out.find("the daemon reads it") != std::string::npos);
  for (const auto& look : json_lines(daemon.tine({"doctor", "--json"}).out)) CHECK(look["ok"] == true);
}

TEST_CASE("doctor: says what is wrong") {
  DaemonSetup setup = without_a_daemon();
  TestDaemon daemon(setup);
  daemon.start();
  daemon.stop();
  REQUIRE(::chmod(daemon.path("state").c_str(), 0755) == 0);

  const auto open = daemon.tine({"doctor"});
  CHECK(open.exit_status == 74);
  CHECK(open.out.find("mode 0755") != std::string::npos);
  REQUIRE(::chmod(daemon.path("state").c_str(), 0700) == 0);
  write_whole_file(daemon.path("state/jobs.db"), std::string(4096, 'x'));
  CHECK(daemon.tine({"doctor"}).out.find("no SQLite database") != std::string::npos);
  ::unlink(daemon.path("state/jobs.db").c_str());
  for (const char* left : {"state/jobs.db-wal", "state/jobs.db-shm"}) ::unlink(daemon.path(left).c_str());
}
