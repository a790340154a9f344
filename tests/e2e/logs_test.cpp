#include <doctest/doctest.h>

#include "tests/support/test_daemon.hpp"

using namespace tine::test;

TEST_CASE("logs: each stream comes to its own and byte for byte") {
  TestDaemon daemon;
  const auto id = daemon.submit({"--shell", "printf 'a\\000\\377b'; printf 'e\\376' >&2"});
  const auto record = daemon.wait(id);

  const auto logs = daemon.tine({"logs", id});

  CHECK(logs.out == std::string("a\0\377b", 4));
  CHECK(logs.err == "e\376");
  CHECK(daemon.tine({"logs", "--stdout", id}).err.empty());
  CHECK(record["stdout"].is_null());
  CHECK(record["stdout_base64"] == "YQD/Yg==");
  CHECK(record["stdout_bytes"] == 4);
}

TEST_CASE("logs: a large output is whole there and cut to its tail in the record") {
  TestDaemon daemon;
  std::string expected;
  for (int i = 1; i <= 60000; ++i) expected += std::to_string(i) + "\n";
  const auto id = daemon.submit({"seq", "60000"});
  const auto record = daemon.wait(id);

  CHECK(daemon.tine({"logs", id}).out == expected);
  CHECK(record["stdout_bytes"] == expected.size());
  CHECK(record["stdout"].get<std::string>() == expected.substr(expected.size() - 65536));
  CHECK(daemon.tine({"result", id}).out == expected);
}

TEST_CASE("logs: at the edge of the record's tail nothing is cut") {
  TestDaemon daemon;

  const auto record = daemon.wait(daemon.submit({"--shell", "head -c 65536 /dev/zero | tr '\\0' x"}));

  CHECK(record["stdout"] == std::string(65536, 'x'));
}

TEST_CASE("logs -n: the last lines") {
  TestDaemon daemon;
  const auto id = daemon.submit({"seq", "5"});
  daemon.wait(id);

  CHECK(daemon.tine({"logs", "-n", "2", id}).out == "4\n5\n");
}

TEST_CASE("logs -f: follows to the end of the job") {
  TestDaemon daemon;
  const auto id = daemon.submit(
      {"-w", daemon.folder(), "--shell", "echo one; while [ ! -e gate ]; do sleep 0.02; done; echo two"});
  auto follower = daemon.tine_running({"logs", "-f", id});

  write_whole_file(daemon.path("gate"), "");

  CHECK(follower.wait().out == "one\ntwo\n");
}
