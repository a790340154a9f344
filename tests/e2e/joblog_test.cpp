#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>

#include "tests/support/test_daemon.hpp"

using namespace tine::test;

namespace {

using Row = std::vector<std::string>;

std::vector<Row> rows_of(const std::string& text) {
  std::vector<Row> rows;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream cells(line);
    rows.emplace_back();
    for (std::string cell; std::getline(cells, cell, '\t');) rows.back().push_back(cell);
  }
  // By Seq, the head first.
  if (!rows.empty())
    std::sort(rows.begin() + 1, rows.end(), [](const Row& a, const Row& b) { return a.at(0) < b.at(0); });
  return rows;
}

const Row head = {"Seq",     "Host",    "Starttime", "JobRuntime", "Send",
                  "Receive", "Exitval", "Signal",    "Command"};

}  // namespace

TEST_CASE("map --joblog: a row for each command in parallel's columns") {
  TestDaemon daemon;

  const auto finished = daemon.tine({"map", "--joblog", daemon.path("log"), "--", "sh", "-c",
                                     "echo four; case {} in k) kill -9 $$;; *) exit {};; esac"},
                                    "0\n3\nk\n");

  CHECK(finished.exit_status == 1);
  const auto rows = rows_of(read_whole_file(daemon.path("log")));
  REQUIRE(rows.size() == 4);
  CHECK(rows[0] == head);
  CHECK(rows[1].at(0) == "1");
  CHECK(rows[1].at(1) == ":");
  CHECK(std::stod(rows[1].at(2)) > 1.7e9);
  CHECK(std::stod(rows[1].at(3)) < 60);
  CHECK(rows[1].at(5) == "5");
  CHECK(Row(rows[2].begin() + 6, rows[2].end()) ==
        Row{"3", "0", "sh -c 'echo four; case 3 in k) kill -9 $$;; *) exit 3;; esac'"});
  CHECK(rows[3].at(6) == "0");
  CHECK(rows[3].at(7) == "9");
}

TEST_CASE("map --joblog: a line number is the Seq, a line break in a command is none in the log") {
  TestDaemon daemon;

  const auto finished = daemon.tine({"map", "--joblog", daemon.path("log"), "--", "echo", "{}", "x\ny"},
                                    std::string("a\n\0\nc\n", 6));

  CHECK(finished.exit_status == 1);  // the second is refused
  const auto rows = rows_of(read_whole_file(daemon.path("log")));
  REQUIRE(rows.size() == 3);
  CHECK(rows[1].at(0) == "1");
  CHECK(rows[2].at(0) == "3");
  CHECK(rows[2].at(8) == "echo c 'x y'");
}

TEST_CASE("batch --wait --joblog: a row for each job that was started") {
  TestDaemon daemon;

  const auto finished = daemon.tine({"batch", "--wait", "--joblog", daemon.path("log"), "-"},
                                    "{\"command\": [\"printf\", \"ab c\"]}\n{\"shell\": \"exit 4\"}\n"
                                    "{\"shell\": \"sleep 600\", \"timeout\": \"100ms\"}\n"
                                    "{\"command\": [\"/nonexistent\"]}\n"
                                    "{\"function\": \"echo\", \"args\": [1]}\n");

  CHECK(finished.exit_status == 1);
  const auto rows = rows_of(read_whole_file(daemon.path("log")));
  REQUIRE(rows.size() == 6);
  CHECK(rows[0] == head);
  CHECK(Row(rows[1].begin() + 5, rows[1].end()) == Row{"4", "0", "0", "printf 'ab c'"});
  CHECK(Row(rows[2].begin() + 6, rows[2].end()) == Row{"4", "0", "/bin/sh -c 'exit 4'"});
  CHECK(rows[3].at(6) == "124");
  CHECK(rows[4].at(6) == "127");
  CHECK(rows[5].at(8) == "echo[1]");
}

TEST_CASE("joblog: one that cannot be written is told and nothing runs") {
  TestDaemon daemon;

  const auto mapped =
      daemon.tine({"map", "--joblog", "/nonexistent/log", "--", "touch", daemon.path("ran")}, "1\n");
  const auto batched =
      daemon.tine({"batch", "--wait", "--joblog", "/dev/full", "-"}, "{\"shell\": \"true\"}\n");

  CHECK(mapped.exit_status == 73);
  CHECK(std::count(mapped.err.begin(), mapped.err.end(), '\n') == 1);
  CHECK(daemon.sh("test -e ran").exit_status != 0);
  CHECK(batched.exit_status == 74);
  CHECK(daemon.tine({"list", "--json"}).out.empty());
  CHECK(daemon.tine({"map", "--joblog", daemon.path("x"), "--fn", "echo"}, "1\n").exit_status == 2);
}
