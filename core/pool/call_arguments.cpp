#include "core/pool/call_arguments.hpp"

#include <nlohmann/json.hpp>

#include "core/base/json_depth.hpp"

namespace tine {

std::string call_arguments(std::string_view text, CallText meaning, CallResult& wrong) {
  using Json = nlohmann::json;
  if (meaning == CallText::text)
    return Json::array({text}).dump(-1, ' ', false, Json::error_handler_t::replace);
  std::string args = meaning == CallText::array ? std::string(text) : "[" + std::string(text) + "]";
  if (json_too_deep_at(args)) {
    wrong = {"", "ValueError", "nested deeper than 64 levels"};
  } else if (!Json::accept(args)) {
    wrong = {"", "ValueError", "not JSON"};
  } else if (args[args.find_first_not_of(" \t\r\n")] != '[') {
    wrong = {"", "ValueError", "not a JSON array of the arguments"};
  } else {
    return args;
  }
  return "";
}

}  // namespace tine
