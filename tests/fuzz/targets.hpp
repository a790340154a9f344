#pragma once
#include <functional>
#include <string>
#include <vector>

namespace tine::fuzz {

/// One parser of bytes from outside. `run` ends the process where something that must hold does not.
struct Target {
  const char* name;  ///< and its folder in the corpus
  void (*run)(const std::string& input);
  /// Good inputs that no file can hold well: binary ones, written by the project's own encoders.
  std::vector<std::string> (*seeds)();
};

const std::vector<Target>& targets();

}  // namespace tine::fuzz
