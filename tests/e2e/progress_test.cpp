#include <doctest/doctest.h>

#include "tests/support/test_daemon.hpp"

using namespace tine::test;

namespace {

/// With a terminal, as script(1) makes one; what it has shown.
std::string on_a_terminal(const TestDaemon& daemon, const std::string& command) {
  return daemon.sh("script -qec '" + command + "' /dev/null </dev/null").out;
}

bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("wait --progress: on a terminal the counts, the rate and the time that is left") {
  TestDaemon daemon;
  daemon.submit({"--shell", "true"});
  daemon.wait("1");
  for (int i = 0; i < 4; ++i) daemon.submit({"--shell", i == 0 ? "exit 1" : "sleep 0.5"});

  const auto shown = on_a_terminal(daemon, "\"$tine\" wait --progress 1-5");

  CHECK(says(shown, " of 5 done, "));
  CHECK(says(shown, "1 failed, "));
  CHECK(says(shown, "/s"));
  CHECK(says(shown, " left"));
}

TEST_CASE("batch --wait --progress: on a terminal, and the records are whole") {
  TestDaemon daemon;
  std::string jobs;
  for (int i = 0; i < 6; ++i) jobs += "{\"shell\": \"sleep 0.4\"}\n";
  write_whole_file(daemon.path("jobs"), jobs);

  const auto shown = on_a_terminal(daemon, "\"$tine\" batch --wait --progress jobs >records");

  CHECK(says(shown, " of 6 done, "));
  CHECK(json_lines(read_whole_file(daemon.path("records"))).size() == 6);
}

TEST_CASE("map --progress: on a terminal, with the time left where the input is a file") {
  TestDaemon daemon;
  std::string lines;
  for (int i = 0; i < 8; ++i) lines += "0.2\n";
  write_whole_file(daemon.path("lines"), lines);

  const auto shown = on_a_terminal(daemon, "\"$tine\" map --progress -j 1 -- sleep {} <lines");

  CHECK(says(shown, " done, 0 failed, "));
}

TEST_CASE("progress: nothing of it where stderr is no terminal") {
  TestDaemon daemon;

  CHECK(daemon.tine({"batch", "--wait", "--progress", "-"}, "{\"shell\": \"sleep 0.4\"}\n").err.empty());
  CHECK(daemon.tine({"wait", "--progress", "last"}).err.empty());
  CHECK(daemon.tine({"wait", "--progress", "--any", "last"}).exit_status == 2);
}
