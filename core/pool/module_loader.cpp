#include "core/pool/module_loader.hpp"

#include <dlfcn.h>
#include <tine/module_abi.h>

#include <exception>
#include <nlohmann/json.hpp>

#include "core/base/file.hpp"

namespace tine {
namespace {

std::size_t thread_count() { return names_in("/proc/self/task").size(); }

CallResult call_module(tine_function_v1 function, void* state, const std::string& args_json) {
  std::string reply;
  const int failed = function(
      state, args_json.data(), args_json.size(),
      [](void* context, const char* json, std::size_t size) {
        static_cast<std::string*>(context)->assign(json, size);
      },
      &reply);
  const auto parsed = nlohmann::json::parse(reply, nullptr, false);
  if (parsed.is_discarded()) return {"", "BadReply", "the function gave back what is no JSON"};
  if (!failed) return {std::move(reply), "", ""};
  const auto text = [&](const char* key, const char* fallback) {
    return parsed.is_object() && parsed.contains(key) && parsed[key].is_string()
               ? parsed[key].get<std::string>()
               : fallback;
  };
  return {"", text("type", "Error"), text("message", "")};
}

}  // namespace

Status load_module(const std::string& path, Functions& functions) {
  const auto wrong = [&](const std::string& why) {
    return make_error(Errc::usage, "module " + path + ": " + why);
  };
  const std::size_t threads = thread_count();
  void* object = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!object) return wrong(::dlerror());
  const auto load = reinterpret_cast<tine_module_load_v1_t>(::dlsym(object, "tine_module_load_v1"));
  if (!load) return wrong("it exports no tine_module_load_v1");
  struct Context {
    Functions& functions;
    std::string error;
  } context{functions, ""};
  const tine_registrar_v1 registrar{
      &context, [](void* raw, const char* name, tine_function_v1 function, void* state) {
        auto& into = *static_cast<Context*>(raw);
        auto added = into.functions.add(
            name, [function, state](const std::string& args) { return call_module(function, state, args); });
        if (!added) into.error = added.error().message();
        return added ? 0 : 1;
      }};
  try {
    if (load(&registrar) != 0) return wrong(context.error.empty() ? "its load failed" : context.error);
  } catch (const std::exception& error) {
    return wrong(std::string("its load threw: ") + error.what());
  }
  if (thread_count() > threads) return wrong("it leaves threads running after its load");
  return ok();
}

}  // namespace tine
