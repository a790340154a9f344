#include "core/base/error.hpp"

#include <cerrno>

namespace tine {
namespace {

class Category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "tine"; }
  std::string message(int value) const override {
    switch (static_cast<Errc>(value)) {
      case Errc::usage:
        return "wrong usage";
      case Errc::absent:
        return "not there";
      case Errc::unavailable:
        return "no daemon";
      case Errc::try_later:
        return "refused for now";
      case Errc::cannot_create:
        return "cannot create";
      case Errc::io:
        return "input or output error";
      case Errc::not_permitted:
        return "not permitted";
      case Errc::already_running:
        return "a daemon is already there";
      case Errc::timed_out:
        return "timed out";
      case Errc::internal:
        return "tine itself failed";
    }
    return "unknown error";
  }
};

int exit_code_of_errno(int value) {
  switch (value) {
    case EACCES:
    case EPERM:
      return 77;
    case ENOENT:
    case EEXIST:
    case EADDRINUSE:
    case ENOTDIR:
    case ENOTSOCK:
    case EROFS:
      return 73;
    case ENOSPC:
    case EDQUOT:
    case EIO:
      return 74;
    default:
      return 125;
  }
}

}  // namespace

const std::error_category& tine_category() {
  static const Category category;
  return category;
}

std::string Error::message() const {
  if (code.category() == tine_category()) return context;
  return context + ": " + code.message();
}

Error errno_error(std::string context) {
  return {std::error_code(errno, std::generic_category()), std::move(context)};
}

int exit_code_of(const Error& error) {
  if (error.code.category() != tine_category()) return exit_code_of_errno(error.code.value());
  switch (static_cast<Errc>(error.code.value())) {
    case Errc::usage:
      return 2;
    case Errc::absent:
      return 1;
    case Errc::unavailable:
      return 69;
    case Errc::try_later:
      return 75;
    case Errc::cannot_create:
      return 73;
    case Errc::io:
      return 74;
    case Errc::not_permitted:
      return 77;
    case Errc::already_running:
      return 100;
    case Errc::timed_out:
      return 124;
    case Errc::internal:
      return 125;
  }
  return 125;
}

}  // namespace tine
