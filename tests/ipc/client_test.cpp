#include "ipc/client.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "core/base/file.hpp"
#include "tests/support/listen.hpp"
#include "tests/support/temp_folder.hpp"

namespace tine::ipc {
namespace {

/// A daemon that says what it was given to the first client, whatever that asks, and hangs up.
class Speaker {
 public:
  explicit Speaker(std::string lines) : listener_(test::listen_at(path())) {
    thread_ = std::thread([this, lines = std::move(lines)] {
      const UniqueFd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      char request[4096];
      (void)!::read(client.get(), request, sizeof request);
      (void)write_all(client.get(), lines);
    });
  }
  ~Speaker() { thread_.join(); }
  std::string path() const { return folder_.path + "/sock"; }

 private:
  const test::TempFolder folder_;
  const UniqueFd listener_;
  std::thread thread_;
};

Client client_of(const Speaker& speaker) {
  auto client = Client::connect(speaker.path());
  REQUIRE(client);
  return std::move(*client);
}

constexpr std::string_view usual =
    R"({"jsonrpc":"2.0","method":"hello","params":{"protocol":1,"version":"1.0","pid":77}}
{"jsonrpc":"2.0","method":"job.finished","params":{"id":3,"state":"failed"}}
{"jsonrpc":"2.0","id":1,"result":{"id":9,"name":"}"}}
)";

/// The same, as another program might write it.
constexpr std::string_view unusual =
    R"({"method": "hello", "params": {"pid": 77, "protocol": 1}, "jsonrpc": "2.0"}
{"params": {"id": 3, "state": "failed"}, "method": "job.finished", "jsonrpc": "2.0"}
{"result": {"id": 9, "name": "}"}, "id": 1, "jsonrpc": "2.0"}
)";

TEST_CASE("client: reads what tined says, and the same in another form") {
  for (const auto lines : {usual, unusual}) {
    const Speaker speaker{std::string(lines)};
    Client client = client_of(speaker);
    REQUIRE(client.send("wait", "{}"));

    auto told = client.next();
    REQUIRE(told);
    const auto& notification = std::get<Client::Notification>(*told);
    CHECK(notification.method == "job.finished");
    CHECK(notification.params == R"({"id":3,"state":"failed"})");
    auto reply = client.next();
    REQUIRE(reply);
    CHECK(Client::result_of(std::get<Json>(*reply))->at("id") == 9);
    CHECK(client.daemon_pid() == 77);
  }
}

TEST_CASE("client: the last answer is the result as text, whatever was told before it") {
  for (const auto lines : {usual, unusual}) {
    const Speaker speaker{std::string(lines)};
    Client client = client_of(speaker);
    const auto result = client.call_last("submit", "{}");
    REQUIRE(result);
    CHECK(*result == R"({"id":9,"name":"}"})");
  }
}

TEST_CASE("client: an error and another protocol are told") {
  const Speaker refusing(
      R"({"jsonrpc":"2.0","id":1,"error":{"code":-32002,"message":"pool: no","data":{"exit_code":2}}})"
      "\n");
  Client client = client_of(refusing);
  const auto refused = client.call_last("submit", "{}");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message() == "pool: no");
  CHECK(exit_code_of(refused.error()) == 2);

  const Speaker newer(R"({"jsonrpc":"2.0","method":"hello","params":{"protocol":2,"version":"9","pid":1}})"
                      "\n");
  Client other = client_of(newer);
  const auto unheard = other.call_last("submit", "{}");
  REQUIRE_FALSE(unheard);
  CHECK(unheard.error().message().find("speaks protocol 2") != std::string::npos);
  CHECK(exit_code_of(unheard.error()) == 69);
}

}  // namespace
}  // namespace tine::ipc
