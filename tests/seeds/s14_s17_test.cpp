// S14 to S17 as C++ programs, against what the seed's Python programs print.
#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>

#include "tests/support/http_server.hpp"
#include "tests/support/shell.hpp"

using namespace tine::test;

namespace {

Finished run_seed(const std::string& name, std::vector<std::string> arguments = {},
                  const std::vector<std::string>& environment = {}) {
  arguments.insert(arguments.begin(), std::string(SEEDS_FOLDER) + "/" + name);
  return Running(arguments, environment_with(environment)).wait();
}

std::vector<std::string> sorted_lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  std::sort(lines.begin(), lines.end());
  return lines;
}

/// Three URLs of one server that takes its time: all three are asked for before the first is answered.
void check_three_urls(const HttpServer& server, const std::vector<std::string>& environment) {
  const std::vector<std::string> urls{server.url("/slow/400/1000"), server.url("/slow/400/20"),
                                      server.url("/slow/400/300000")};
  const Finished seed = run_seed("s16_blocking_calls", urls, environment);

  CHECK(seed.exit_status == 0);
  const std::string asked = "GET: " + urls[0] + "\nGET: " + urls[1] + "\nGET: " + urls[2] + "\n";
  REQUIRE(seed.out.substr(0, asked.size()) == asked);
  std::vector<std::string> expected{"1000 bytes received from " + urls[0] + ".",
                                    "20 bytes received from " + urls[1] + ".",
                                    "300000 bytes received from " + urls[2] + "."};
  std::sort(expected.begin(), expected.end());
  CHECK(sorted_lines(seed.out.substr(asked.size())) == expected);
}

}  // namespace

TEST_CASE("S14: greenlet") {
  const Finished seed = run_seed("s14_greenlet");
  CHECK(seed.exit_status == 0);
  CHECK(seed.out == "12\n56\n34\n78\n");
}

TEST_CASE("S15: spawn, join_all, sleep(0)") {
  const Finished seed = run_seed("s15_spawn_join_all");
  CHECK(seed.exit_status == 0);
  CHECK(seed.out ==
        "Running in foo\nExplicit context to bar\nExplicit context switch to foo again\n"
        "Implicit context switch back to bar\n");
}

TEST_CASE("S16: an unmodified curl_easy_perform gives way, three URLs at once") {
  check_three_urls(HttpServer(), {});
}

TEST_CASE("S16: over HTTPS too") {
  const HttpServer server(HttpServer::Kind::https);
  check_three_urls(server, {"SSL_CERT_FILE=" + server.certificate()});
}

TEST_CASE("S17: 1,000 waits of 50 ms in one thread") {
  const Finished seed = run_seed("s17_many_waits");
  CHECK(seed.exit_status == 0);
  CHECK(seed.out == "1000 waits of 50 ms in less than a tenth of their sum\n");
}
