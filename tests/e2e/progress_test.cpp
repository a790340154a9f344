#include <doctest/doctest.h>

#include "tests/support/test_daemon.hpp"

using namespace tine::test;

namespace {

/// With a terminal, as script(1) makes one; what it has shown.
std::string on_a_terminal(const TestDaemon& daemon, const std::string& command) {
  return daemon.sh("script -qefc '" + command + "' shown </dev/null").out;
}

/// A job that lasts until the terminal shows `text`.
std::string until_shown(const TestDaemon& daemon, const std::string& text) {
  return "until grep -q '" + text + "' " + daemon.path("shown") + "; do sleep 0.02; done";
}

bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("wait --progress: on a terminal the counts, the rate and the time that is left") {
  TestDaemon daemon;
  daemon.submit({"--shell", "true"});
  daemon.wait("1");
  daemon.submit({"--shell", until_shown(daemon, "of 5 done") + "; exit 1"});
  for (int i = 0; i < 3; ++i) daemon.submit({"--shell", until_shown(daemon, " left")});

  const auto shown = on_a_terminal(daemon, "\"$tine\" wait --progress 1-5");

  CHECK(says(shown, " of 5 done, "));
  CHECK(says(shown, "1 failed, "));
  CHECK(says(shown, "/s"));
  CHECK(says(shown, " left"));
}

TEST_CASE("batch --wait --progress: on a terminal, and the records are whole") {
  TestDaemon daemon;
  std::string jobs;
  for (int i = 0; i < 6; ++i) jobs += Json{{"shell", until_shown(daemon, "of 6 done")}}.dump() + "\n";
  write_whole_file(daemon.path("jobs"), jobs);

  const auto shown = on_a_terminal(daemon, "\"$tine\" batch --wait --progress jobs >records");

  CHECK(says(shown, " of 6 done, "));
  CHECK(json_lines(read_whole_file(daemon.path("records"))).size() == 6);
}

TEST_CASE("map --progress: on a terminal, with the time left where the input is a file") {
  TestDaemon daemon;
  write_whole_file(daemon.path("lines"), "1\n2\n3\n4\n");
  write_whole_file(daemon.path("item"), until_shown(daemon, "done, 0 failed"));

  const auto shown = on_a_terminal(daemon, "\"$tine\" map --progress -j 1 -- sh item {} <lines");

  CHECK(says(shown, " done, 0 failed, "));
}

TEST_CASE("progress: nothing of it where stderr is no terminal") {
  TestDaemon daemon;

  CHECK(daemon.tine({"batch", "--wait", "--progress", "-"}, "{\"shell\": \"sleep 0.4\"}\n").err.empty());
  CHECK(daemon.tine({"wait", "--progress", "last"}).err.empty());
  CHECK(daemon.tine({"wait", "--progress", "--any", "last"}).exit_status == 2);
}
