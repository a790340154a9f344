#include "core/pool/http_get.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <tine/coroutine.hpp>

#include "tests/support/http_server.hpp"

using namespace std::chrono_literals;
using namespace tine;
using tine::test::HttpServer;

namespace {

CallResult get(const std::string& url, const Json& options = Json::object()) {
  static const auto function = make_http_get();
  return function(Json::array({url, options}).dump());
}

Json result_of(const CallResult& called) {
  REQUIRE_MESSAGE(called.error_type.empty(), called.error_type << ": " << called.error_message);
  return Json::parse(called.result_json);
}

}  // namespace

TEST_CASE("http.get: status, bytes and body; any status is a result") {
  const HttpServer server;
  CHECK(result_of(get(server.url("/bytes/5"))) == Json{{"status", 200}, {"bytes", 5}, {"body", "xxxxx"}});
  CHECK(result_of(get(server.url("/status/503"))) ==
        Json{{"status", 503}, {"bytes", 8}, {"body", "so be it"}});
  CHECK(result_of(get(server.url("/redirect/bytes/3")))["body"] == "xxx");
}

TEST_CASE("http.get: method, headers and body are sent") {
  const HttpServer server;
  const Json said = Json::parse(
      result_of(get(server.url("/echo"),
                    {{"method", "PUT"}, {"body", "in"}, {"headers", {{"X-One", "1"}, {"X-None", ""}}}}))
          .at("body")
          .get<std::string>());
  CHECK(said["method"] == "PUT");
  CHECK(said["body"] == "in");
  CHECK(said["headers"]["X-One"] == "1");
  CHECK(said["headers"]["X-None"] == "");
  CHECK(result_of(get(server.url("/bytes/7"), {{"method", "HEAD"}}))["bytes"] == 0);
  const Json posted =
      Json::parse(result_of(get(server.url("/echo"), {{"body", "b"}}))["body"].get<std::string>());
  CHECK(posted["method"] == "POST");
}

TEST_CASE("http.get: the body is bounded, on both sides of the bound") {
  const HttpServer server;
  CHECK(result_of(get(server.url("/bytes/100"), {{"max_bytes", 100}}))["bytes"] == 100);
  CHECK(get(server.url("/bytes/101"), {{"max_bytes", 100}}).error_type == "TooLarge");
  CHECK(get(server.url("/endless")).error_type == "TooLarge");
}

TEST_CASE("http.get: errors have a type to act on") {
  const HttpServer server;
  CHECK(get(server.url("/stall"), {{"timeout_s", 0.05}}).error_type == "TimeoutError");
  CHECK(get("http://127.0.0.1:1/").error_type == "ConnectionError");
  CHECK(get("file:///etc/passwd").error_type == "ValueError");
  CHECK(get("http://").error_type == "ValueError");
  CHECK(get(server.url("/"), {{"colour", 1}}).error_type == "ValueError");
  CHECK(get(server.url("/"), {{"headers", {{"A", "b\r\nC: d"}}}}).error_type == "ValueError");
  CHECK(get(server.url("/"), {{"timeout_s", "1"}}).error_type == "TypeError");
  CHECK(get(server.url("/"), {{"timeout_s", 0}}).error_type == "ValueError");
  CHECK(get(server.url("/"), {{"max_bytes", -1}}).error_type == "ValueError");
  CHECK(make_http_get()("[]").error_type == "TypeError");
  CHECK(make_http_get()("[1]").error_type == "TypeError");
}

TEST_CASE("http.get: certificates are verified, SSL_CERT_FILE names the authorities") {
  const HttpServer server(HttpServer::Kind::https);
  CHECK(get(server.url("/bytes/1")).error_type == "SSLError");
  ::setenv("SSL_CERT_FILE", server.certificate().c_str(), 1);
  const auto trusting = make_http_get();
  ::unsetenv("SSL_CERT_FILE");
  CHECK(result_of(trusting(Json::array({server.url("/bytes/1")}).dump()))["bytes"] == 1);
}

TEST_CASE("http.get: tasks share the time, and one that is killed or late leaves the others alone") {
  const HttpServer server;
  const auto began = std::chrono::steady_clock::now();
  std::vector<Task<CallResult>> tasks;
  for (int i = 0; i < 20; ++i) tasks.push_back(spawn([&] { return get(server.url("/slow/300/10")); }));
  auto killed = spawn([&] { return get(server.url("/stall")); });
  auto late = spawn([&] {
    const Timeout limit(100ms);
    return get(server.url("/stall"));
  });
  tine::sleep(50ms);
  killed.kill();
  CHECK(join_all(tasks, 20s));
  CHECK(std::chrono::steady_clock::now() - began < 6s);  // what they take one after the other
  for (const auto& task : tasks) CHECK(result_of(task.get())["bytes"] == 10);
  CHECK_THROWS_AS(killed.get(), TaskKilled);
  CHECK_THROWS_AS(late.get(), TimeoutError);
  CHECK(result_of(spawn([&] { return get(server.url("/bytes/2")); }).get())["bytes"] == 2);
}
