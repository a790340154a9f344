#include "ipc/codec.hpp"

#include <doctest/doctest.h>

#include "core/base/json_depth.hpp"
#include "core/base/limits.hpp"
#include "ipc/protocol.hpp"
#include "ipc/wire_text.hpp"

using namespace tine;
using namespace tine::ipc;

namespace {

RequestError error_of(std::string_view line) { return std::get<RequestError>(parse_request(line)); }

Result<JobSpec> spec_of(const char* text) {
  return spec_from(Json::parse(text), SubmitContext{}, "line 3: ");
}

}  // namespace

TEST_CASE("codec: reads a request") {
  const auto request = std::get<Request>(parse_request(R"({"jsonrpc":"2.0","id":1,"method":"ping"})"));
  CHECK(request.method == "ping");
  CHECK(request.params.is_object());
}

TEST_CASE("codec: names the offset of what is no JSON, no UTF-8, or too deep") {
  CHECK(error_of("{x").code == parse_error);
  CHECK(error_of("{x").message.find("offset 1") != std::string::npos);
  CHECK(error_of("{\"a\":\"\xff\"}").code == parse_error);
  const std::string deep(limits::json_depth_max + 1, '[');
  CHECK(error_of(deep).message.find("offset 64") != std::string::npos);
  CHECK_FALSE(json_too_deep_at(std::string(limits::json_depth_max, '[')));
  CHECK_FALSE(json_too_deep_at("\"" + deep + "\""));
}

TEST_CASE("codec: refuses what is no request, with the id where there is one") {
  CHECK(error_of("[]").code == invalid_request);
  CHECK(error_of(R"({"jsonrpc":"1.0","id":7,"method":"x"})").id == 7);
  CHECK(error_of(R"({"jsonrpc":"2.0","id":7,"method":5})").code == invalid_request);
  CHECK(error_of(R"({"jsonrpc":"2.0","id":{},"method":"x"})").id.is_null());
}

TEST_CASE("codec: a job is one of command, shell and function") {
  CHECK(spec_of(R"({"command":["a","b"]})")->argv == std::vector<std::string>{"a", "b"});
  CHECK(spec_of(R"({"shell":"echo"})")->argv[0] == "/bin/sh");
  CHECK(spec_of(R"({"function":"f","args":[1]})")->args_json == "[1]");
  for (const char* wrong :
       {R"({})", R"({"command":[]})", R"({"command":"a"})", R"({"command":["a"],"shell":"b"})",
        R"({"command":["a"],"args":[]})", R"({"function":"f","args":{}})", R"({"command":[""]})"}) {
    const auto spec = spec_of(wrong);
    REQUIRE_FALSE(spec);
    CHECK(exit_code_of(spec.error()) == 2);
    CHECK(spec.error().message().starts_with("line 3: "));
  }
}

TEST_CASE("codec: names the field that is wrong") {
  const auto message = [](const char* text) { return spec_of(text).error().message(); };
  CHECK(message(R"({"command":["a"],"prio":1})").find("prio: unknown") != std::string::npos);
  CHECK(message(R"({"command":["a"],"timeout":-1})").find("timeout") != std::string::npos);
  CHECK(message(R"({"command":["a"],"timeout":"5 m"})").find("timeout") != std::string::npos);
  CHECK(message(R"({"command":["a"],"env":{"A=B":"c"}})").find("env") != std::string::npos);
  CHECK(message(R"({"command":["a\u0000b"]})").find("offset 1") != std::string::npos);
  CHECK(message(R"({"command":["a"],"priority":1.5})").find("priority") != std::string::npos);
}

TEST_CASE("codec: bytes that are not UTF-8 travel as base64, both ways") {
  std::string json;
  append_wire(json, "\xff\x01");
  CHECK(OrderedJson::parse(json) == OrderedJson{{"base64", "/wE="}});
  CHECK(*bytes_from_json(Json{{"base64", "/wE="}}, "x") == "\xff\x01");
  CHECK_FALSE(bytes_from_json(Json{{"base64", "/w="}}, "x"));
}

TEST_CASE("codec: a range is ascending and unsigned") {
  CHECK(selection_from(Json::parse(R"({"ids":[7,[12,111]]})"))->ranges.size() == 2);
  for (const char* wrong : {R"({"ids":[[2,1]]})", R"({"ids":[-1]})", R"({"ids":5})", R"({"ids":["7"]})"})
    CHECK_FALSE(selection_from(Json::parse(wrong)));
}

TEST_CASE("codec: the record has each field of the contract") {
  JobRow row;
  row.id = 7;
  row.spec.argv = {"true"};
  const auto record = OrderedJson::parse(record_text(row));
  for (const char* key :
       {"schema",      "id",         "name",         "pool",         "kind",    "command",      "function",
        "args",        "state",      "reason",       "exit_code",    "signal",  "result",       "error",
        "stdout",      "stderr",     "stdout_bytes", "stderr_bytes", "attempt", "submitted_at", "started_at",
        "finished_at", "duration_s", "worker",       "usage",        "labels",  "array_index",  "callback"})
    CHECK_MESSAGE(record.contains(key), key);
}
