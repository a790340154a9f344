#include <doctest/doctest.h>
#include <sys/socket.h>

#include "tests/support/eventually.hpp"
#include "tests/support/test_daemon.hpp"

using namespace tine::test;

TEST_CASE("wire: a conversation by hand") {
  TestDaemon daemon;
  write_whole_file(
      daemon.path("requests"),
      R"({"jsonrpc":"2.0","id":1,"method":"ping"})"
      "\n"
      R"({"jsonrpc":"2.0","id":"two","method":"submit","params":{"command":["sh","-c","echo $PWD $X"],"env":{"X":"hand"}}})"
      "\n");

  const auto lines = json_lines(daemon.sh("nc -U -q 2 -w 10 \"$sock\" <requests").out);

  REQUIRE(lines.size() == 3);
  CHECK(lines[0]["method"] == "hello");
  CHECK(lines[0]["params"]["protocol"] == 1);
  CHECK(lines[1]["id"] == 1);
  CHECK(lines[1].contains("result"));
  CHECK(lines[2]["id"] == "two");
  const auto id = lines[2]["result"]["id"].get<unsigned long long>();
  CHECK(daemon.wait(std::to_string(id))["stdout"] == "/ hand\n");
}

TEST_CASE("wire: an error names the field") {
  TestDaemon daemon;
  write_whole_file(
      daemon.path("requests"),
      R"({"jsonrpc":"2.0","id":1,"method":"submit","params":{"command":["true"],"timeout":"soon"}})"
      "\n");

  const auto lines = json_lines(daemon.sh("nc -U -q 1 -w 10 \"$sock\" <requests").out);

  REQUIRE(lines.size() == 2);
  CHECK(lines[1]["error"]["message"].get<std::string>().find("timeout") != std::string::npos);
  CHECK(lines[1]["error"]["data"]["exit_code"] == 2);
}

TEST_CASE("wire: the greeting comes to who has not asked to its end, or asks for no answer") {
  TestDaemon daemon;
  for (const std::string_view said :
       {R"({"jsonrpc":"2.0","id":1,"met)", "{\"jsonrpc\":\"2.0\",\"method\":\"ping\"}\n"}) {
    const auto socket = daemon.dial();
    REQUIRE(::send(socket.get(), said.data(), said.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(said.size()));
    std::string text;
    CHECK(eventually([&] { return (text += heard(socket)).find("\"hello\"") != std::string::npos; }));
  }
}
