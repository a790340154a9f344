#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "tests/support/eventually.hpp"
#include "tests/support/test_daemon.hpp"

using namespace tine::test;

namespace {

/// One line that says what is wrong, and nothing on stdout.
void check_refused(const Finished& finished, int exit_status, const std::string& names) {
  CAPTURE(finished.err);
  CHECK(finished.exit_status == exit_status);
  CHECK(finished.out.empty());
  CHECK(std::count(finished.err.begin(), finished.err.end(), '\n') == 1);
  CHECK(finished.err.find(names) != std::string::npos);
}

/// What tined says to a config, started with it in a folder of its own.
Finished start_with(const TestDaemon& daemon, const std::string& config) {
  write_whole_file(daemon.path("tined.json"), config);
  return daemon.sh("timeout 20 \"$tined\"");
}

/// Says `line`, and returns what the daemon says until the conversation has been quiet.
std::string say(const TestDaemon& daemon, const std::string& line) {
  write_whole_file(daemon.path("line"), line + "\n");
  return daemon.sh("nc -U -q 1 -w 10 \"$sock\" <line").out;
}

}  // namespace

TEST_CASE("bad input: unknown verb and option and pool and a missing command") {
  TestDaemon daemon;

  check_refused(daemon.tine({"sumbit", "true"}), 2, "submit");
  check_refused(daemon.tine({"submit", "--frobnicate", "true"}), 2, "--frobnicate");
  check_refused(daemon.tine({"submit", "-g", "nowhere", "true"}), 2, "nowhere");
  check_refused(daemon.tine({"submit"}), 2, "");
  check_refused(daemon.tine({"submit", "-t", "soon", "true"}), 2, "soon");
  check_refused(daemon.tine({"submit", "--priority", "high", "true"}), 2, "high");
  check_refused(daemon.tine({"submit", "-e", "NOVALUE", "true"}), 2, "NOVALUE");
  CHECK(daemon.tine({"list", "--json"}).out.empty());
}

TEST_CASE("bad input: a stdin file that cannot be read") {
  TestDaemon daemon;

  check_refused(daemon.tine({"submit", "--stdin", daemon.path("absent"), "cat"}), 74, "absent");
  check_refused(daemon.tine({"run", "--stdin", daemon.folder(), "cat"}), 74, daemon.folder());
}

TEST_CASE("bad input: a wrong config stops the start and names the key") {
  TestDaemon daemon(without_a_daemon());

  for (const auto& [config, names] : std::vector<std::pair<std::string, std::string>>{
           {R"({"pols": []})", "pols"},
           {"{\n\"keep_jobs\": \"many\"}", "keep_jobs"},
           {R"({"pools": [{"name": "default", "size": -1}]})", "size"},
           {R"({"pools": [{"name": "default", "size": 1, "colour": 1}]})", "colour"},
           {R"({"durability": "none"})", "durability"},
           {R"({"drain_timeout": "soon"})", "drain_timeout"},
           {R"({"modules": ["absent.so"]})", "absent.so"},
           {"{", "tined.json"}}) {
    CAPTURE(config);
    const auto finished = start_with(daemon, config);
    CAPTURE(finished.err);
    CHECK(finished.exit_status == 2);
    CHECK(finished.err.find(names) != std::string::npos);
  }
  CHECK(start_with(daemon, "{\n\n\"keep_jobs\": \"many\"}").err.find(":3:") != std::string::npos);
}

TEST_CASE("config: the file of the repository is accepted") {
  TestDaemon daemon(without_a_daemon());

  CHECK(daemon.sh("\"$tined\" --check-config --config " SOURCE_FOLDER "/configs/tined.json").exit_status ==
        0);
}

TEST_CASE("bad input: a socket path of 107 bytes is taken and one more is refused") {
  TestDaemon daemon(without_a_daemon());
  const std::string longest = daemon.folder() + "/" + std::string(107 - daemon.folder().size() - 1, 's');

  CHECK(daemon.tine({"--socket", longest, "ping"}).exit_status == 69);
  check_refused(daemon.tine({"--socket", longest + "s", "ping"}), 2, "107");
  CHECK(daemon.sh("\"$tined\" --socket " + longest + "s").exit_status == 2);
}

TEST_CASE("start: a second daemon exits 100 and touches nothing") {
  TestDaemon daemon;

  CHECK(daemon.sh("timeout 20 \"$tined\"").exit_status == 100);
  CHECK(daemon.tine({"run", "true"}).exit_status == 0);
}

TEST_CASE("start: a foreign file in the socket's place is 73 and stays") {
  TestDaemon daemon(without_a_daemon());
  ::mkdir(daemon.path("state").c_str(), 0700);
  write_whole_file(daemon.socket(), "mine");

  CHECK(daemon.sh("timeout 20 \"$tined\"").exit_status == 73);
  CHECK(read_whole_file(daemon.socket()) == "mine");
}

TEST_CASE("start: a state dir of another uid is 77") {
  if (::geteuid() != 0) {
    MESSAGE("skipped: only root can give a folder away");
    return;
  }
  TestDaemon daemon(without_a_daemon());
  ::mkdir(daemon.path("state").c_str(), 0700);
  REQUIRE(::chown(daemon.path("state").c_str(), 4321, 4321) == 0);

  CHECK(daemon.sh("timeout 20 \"$tined\"").exit_status == 77);
}

TEST_CASE("socket: is made again when somebody removes it") {
  TestDaemon daemon;

  ::unlink(daemon.socket().c_str());

  CHECK(eventually([&] { return daemon.tine({"ping"}).exit_status == 0; }));
}

TEST_CASE("wire: garbage gets an error and the daemon lives") {
  TestDaemon daemon;

  CHECK(say(daemon, "garbage").find("-32700") != std::string::npos);
  CHECK(say(daemon, "[]").find("-32600") != std::string::npos);
  CHECK(say(daemon, R"({"jsonrpc":"2.0","id":1,"method":"frobnicate"})").find("-32601") != std::string::npos);
  CHECK(say(daemon, R"({"jsonrpc":"2.0","id":1,"method":"submit","params":{"command":["a)"
                    "\xff"
                    R"("]}})")
            .find("-32700") != std::string::npos);
  CHECK(say(daemon, R"({"jsonrpc":"2.0","id":1,"method":"submit","params":{"command":["a\u0000b"]}})")
            .find("error") != std::string::npos);
  CHECK(say(daemon, R"({"jsonrpc":"2.0","id":1e99999,"method":"ping"})").find("-32700") != std::string::npos);
  CHECK(say(daemon, R"({"jsonrpc":"2.0","id":1,"method":"wait","params":{"ids":[-1]}})").find("error") !=
        std::string::npos);
  CHECK(daemon.tine({"ping"}).exit_status == 0);
  CHECK(daemon.tine({"list", "--json"}).out.empty());
}

TEST_CASE("wire: a line that is too deep or too long gets an error and the daemon lives") {
  TestDaemon daemon;

  const auto deep =
      say(daemon, R"({"jsonrpc":"2.0","id":1,"method":"ping","params":)" + std::string(100000, '['));
  CHECK(deep.find("64") != std::string::npos);
  const auto over_4_mib = say(daemon, R"({"jsonrpc":"2.0","id":1,"method":"submit","params":{"name":")" +
                                          std::string(5u << 20, 'x') + "\"}}");
  CHECK(over_4_mib.find("error") != std::string::npos);
  const auto over_16_mib = say(daemon, std::string(17u << 20, 'x'));
  CHECK(over_16_mib.find("error") != std::string::npos);
  CHECK(daemon.tine({"run", "true"}).exit_status == 0);
}
