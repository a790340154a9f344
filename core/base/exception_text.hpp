#pragma once
#include <string>

namespace tine {

/// What is known of an exception without knowing its class.
struct ExceptionText {
  std::string type;     ///< demangled, "std::runtime_error"
  std::string message;  ///< what(); "" where the class has none
};

/// Of the exception being handled: to be called in a catch block.
ExceptionText current_exception_text();

}  // namespace tine
