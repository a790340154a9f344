#include "core/base/exception_text.hpp"

#include <cxxabi.h>

#include <cstdlib>
#include <exception>
#include <memory>
#include <typeinfo>

namespace tine {
namespace {

std::string demangled(const std::type_info* type) {
  if (type == nullptr) return "unknown";
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> name(
      abi::__cxa_demangle(type->name(), nullptr, nullptr, &status), std::free);
  return status == 0 ? name.get() : type->name();
}

}  // namespace

ExceptionText current_exception_text() {
  ExceptionText text{demangled(abi::__cxa_current_exception_type()), ""};
  try {
    throw;
  } catch (const std::exception& error) {
    text.message = error.what();
  } catch (...) {
  }
  return text;
}

}  // namespace tine
