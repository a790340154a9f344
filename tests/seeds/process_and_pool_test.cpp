// What the seed's programs of processes and pools print, as ported to C++, against what the originals print.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/shell.hpp"

namespace tine::test {
namespace {

using Lines = std::vector<std::string>;

Lines printed_by(const std::string& program) {
  Running running({std::string(SEEDS_FOLDER) + "/" + program}, environment_with({}));
  const Finished finished = running.wait();
  CHECK(finished.exit_status == 0);
  Lines lines;
  std::istringstream text(finished.out);
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

Lines sorted(Lines lines) {
  std::sort(lines.begin(), lines.end());
  return lines;
}

TEST_CASE("S01: ten processes say hi, in any order") {
  Lines expected;
  for (int i = 0; i < 10; ++i) expected.push_back("say hi " + std::to_string(i));
  CHECK(sorted(printed_by("s01_process")) == expected);
}

TEST_CASE("S02: each process holds its own data") {
  CHECK(printed_by("s02_own_data") == Lines{"child 4", "parent 3"});
}

TEST_CASE("S09: no more than five at once, the others wait") {
  CHECK(printed_by("s09_pool_of_five") == Lines{"5 at once"});
}

TEST_CASE("S10: apply waits for the result") { CHECK(printed_by("s10_apply") == Lines{"101", "101"}); }

TEST_CASE("S11: end first, then the callbacks, five at a time") {
  const auto from = std::chrono::steady_clock::now();
  Lines lines = printed_by("s11_apply_async");
  // Not a matter of speed: ten times two seconds, five at a time, cannot be less than four.
  CHECK(std::chrono::steady_clock::now() - from >= std::chrono::seconds(4));
  REQUIRE(lines.size() == 11);
  CHECK(lines[0] == "end");
  const std::set<std::string> first(lines.begin() + 1, lines.begin() + 6),
      second(lines.begin() + 6, lines.end());
  CHECK(first == std::set<std::string>{"100", "101", "102", "103", "104"});
  CHECK(second == std::set<std::string>{"105", "106", "107", "108", "109"});
}

TEST_CASE("S12: map, imap, starmap; close, then join") {
  CHECK(printed_by("s12_close_and_join") ==
        Lines{"join before close is an error", "100 101 102 100 101 102 303", "aa", "bbb", "closed"});
}

TEST_CASE("S13: a call costs a small fraction of a process") {
  CHECK(printed_by("s13_why_a_pool").size() == 1);  // which line, the benchmark judges
}

}  // namespace
}  // namespace tine::test
