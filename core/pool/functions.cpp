#include "core/pool/functions.hpp"

#include <nlohmann/json.hpp>
#include <thread>

namespace tine {
namespace {

using Json = nlohmann::json;

CallResult type_error(const std::string& message) { return {"", "TypeError", message}; }

CallResult echo(const std::string& args_json) { return {args_json, "", ""}; }

CallResult sleep(const std::string& args_json) {
  const Json args = Json::parse(args_json, nullptr, false);
  if (!args.is_array() || args.size() != 1 || !args[0].is_number())
    return type_error("sleep takes 1 argument: seconds, a number");
  const double seconds = args[0].get<double>();
  if (!(seconds >= 0) || seconds > 1e9) return {"", "ValueError", "seconds: must be from 0 to 1000000000"};
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  return {"null", "", ""};
}

}  // namespace

Functions Functions::with_built_ins() {
  Functions functions;
  functions.by_name_["echo"] = echo;
  functions.by_name_["sleep"] = sleep;
  return functions;
}

Status Functions::add(const std::string& name, Function function) {
  if (!by_name_.emplace(name, std::move(function)).second)
    return make_error(Errc::usage, "two functions are named \"" + name + "\"");
  return ok();
}

const Functions::Function* Functions::find(const std::string& name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &found->second;
}

std::vector<std::string> Functions::names() const {
  std::vector<std::string> names;
  for (const auto& [name, function] : by_name_) names.push_back(name);
  return names;
}

}  // namespace tine
