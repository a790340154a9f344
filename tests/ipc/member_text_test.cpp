#include "ipc/member_text.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using namespace tine::ipc;

TEST_CASE("member text: each member is found as it is written, whatever stands in the others") {
  const nlohmann::ordered_json object = {{"id", 7},
                                         {"text", "a\"},{\\"},
                                         {"slash", "\\"},
                                         {"list", {1, "]", {{"id", 8}}}},
                                         {"inner", {{"state", "wrong"}, {"deep", {{"x", "}"}}}}},
                                         {"empty", nlohmann::ordered_json::object()},
                                         {"none", nullptr},
                                         {"state", "succeeded"}};
  const auto json = object.dump();
  for (const auto& [name, value] : object.items()) {
    CAPTURE(name);
    CHECK(member_text(json, name) == value.dump());
  }
  for (const char* name : {"", "x", "deep", "wrong", "id\"", "succeeded"})
    CHECK(member_text(json, name).empty());
}

TEST_CASE("member text: what is no object has no members, and no end is run over") {
  for (const std::string_view text :
       {"", "{", "{}", "[]", "7", "\"id\"", "{\"id", "{\"id\"", "{\"id\":", "{\"id\":\"", "{\"id\":\"\\",
        "{\"id\":[", "{\"a\":1,", "{\"a\":1,\"id"}) {
    CAPTURE(std::string(text));
    CHECK(member_text(text, "id").size() <= text.size());
    CHECK(member_text(text, "").empty());
  }
}
