#include <doctest/doctest.h>
#include <signal.h>

#include <map>

#include "tests/support/eventually.hpp"
#include "tests/support/test_daemon.hpp"

using namespace tine::test;

namespace {

constexpr int oracle_files_max = 1000;

/// Lists up to `oracle_files_max` regular files below a tree that every Debian has, and what sha256sum says
/// of them.
std::string sha256sums(const TestDaemon& daemon) {
  return daemon
      .sh("for tree in /usr/share/doc /usr/include /usr/share /usr; do\n"
          "  find \"$tree\" -xdev -type f -size -200k -readable 2>/dev/null | grep -v '[\\\\\"[:cntrl:]]' | "
          "LC_ALL=C sort |"
          " head -n " +
          std::to_string(oracle_files_max) +
          " >files\n"
          "  [ \"$(wc -l <files)\" -lt " +
          std::to_string(oracle_files_max) +
          " ] || break\n"
          "done\n"
          "tr '\\n' '\\0' <files | xargs -0 sha256sum")
      .out;
}

}  // namespace

TEST_CASE("batch: prints the ids in the order of the lines") {
  TestDaemon daemon;

  const auto finished =
      daemon.tine({"batch", "-"},
                  "{\"command\": [\"echo\", \"a\"], \"name\": \"first\", \"labels\": {\"k\": \"v\"}}\n\n"
                  "{\"shell\": \"echo $X\", \"env\": {\"X\": \"b\"}, \"timeout\": \"5s\"}\n"
                  "{\"function\": \"echo\", \"args\": [1, \"c\"]}\n");

  REQUIRE(finished.exit_status == 0);
  const auto ids = lines_of(finished.out);
  REQUIRE(ids.size() == 3);
  CHECK(daemon.wait(ids[0])["stdout"] == "a\n");
  CHECK(daemon.record(ids[0])["name"] == "first");
  CHECK(daemon.record(ids[0])["labels"]["k"] == "v");
  CHECK(daemon.wait(ids[1])["stdout"] == "b\n");
  CHECK(daemon.wait(ids[2])["result"] == Json({1, "c"}));
}

TEST_CASE("batch: all or none and the error names the line") {
  TestDaemon daemon;

  for (const std::string wrong :
       {"{\"command\": []}", "{\"comand\": [\"true\"]}", "{\"command\": \"true\"}", "[1]", "{not json",
        "{\"command\": [\"true\"], \"pool\": \"nowhere\"}", "{\"command\": [\"true\"], \"timeout\": -1}"}) {
    CAPTURE(wrong);
    const auto finished = daemon.tine({"batch", "-"}, "{\"command\": [\"true\"]}\n" + wrong + "\n");
    CHECK(finished.exit_status == 2);
    CHECK(finished.out.empty());
    CHECK(finished.err.find("2") != std::string::npos);
    CHECK(lines_of(finished.err).size() == 1);
  }
  CHECK(daemon.tine({"list", "--json"}).out.empty());
  CHECK(daemon.tine({"batch", "-"}, "").exit_status == 2);
  CHECK(daemon.tine({"batch", daemon.path("absent")}).exit_status == 74);
}

TEST_CASE("batch --wait: prints a record for each job as it ends") {
  TestDaemon daemon;

  const auto finished =
      daemon.tine({"batch", "--wait", "-"}, "{\"command\": [\"true\"]}\n{\"command\": [\"false\"]}\n");

  CHECK(finished.exit_status == 1);
  CHECK(json_lines(finished.out).size() == 2);
}

TEST_CASE("batch: sha256 of a thousand files is what sha256sum says with tined killed in the middle") {
  TestDaemon daemon;
  std::map<std::string, std::string> expected;
  std::string jobs;
  for (const auto& line : lines_of(sha256sums(daemon))) {
    const auto file = line.substr(66);
    expected[file] = line + "\n";
    jobs += Json({{"command", {"sha256sum", file}}}).dump() + "\n";
  }
  REQUIRE(expected.size() >= 100);

  auto batch = daemon.tine_running({"batch", "--wait", "-"}, jobs);
  const auto ended = [&] { return lines_of(batch.out_so_far()).size(); };
  CHECK(eventually([&] { return ended() > expected.size() / 4; }));
  daemon.restart();
  const auto finished = batch.wait();

  INFO(finished.err);
  CHECK(finished.exit_status == 0);
  const auto records = json_lines(finished.out);
  CHECK(records.size() == expected.size());
  for (const auto& record : records) {
    const auto file = record["command"][1].get<std::string>();
    CAPTURE(file);
    CHECK(record["state"] == "succeeded");
    CHECK(record["stdout"] == expected[file]);
    expected.erase(file);
  }
  CHECK(expected.empty());
}
