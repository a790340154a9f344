#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/base/result.hpp"

namespace tine {

/// The error type of a call whose process ended before it had answered.
inline constexpr const char* worker_died_type = "WorkerDied";

/// What a call gave: a JSON text, or an error.
struct CallResult {
  std::string result_json;
  std::string error_type;  ///< "": it succeeded
  std::string error_message;
};

/// The functions a worker knows by name. Filled in the zygote, before the first fork.
class Functions {
 public:
  using Function = std::function<CallResult(const std::string& args_json)>;

  /// With the built-ins: echo, sleep.
  static Functions with_built_ins();
  /// Errors: Errc::usage for a name that is taken.
  Status add(const std::string& name, Function function);
  const Function* find(const std::string& name) const;
  std::vector<std::string> names() const;

 private:
  std::map<std::string, Function> by_name_;
};

}  // namespace tine
