#pragma once
#include <string>
#include <system_error>

namespace tine {

/// Failures that no errno names. `exit_code()` in cmd turns them into the exit codes of the contract.
enum class Errc {
  usage = 1,        ///< wrong value or usage: exit 2
  absent,           ///< a value or job that was asked for does not exist: exit 1
  unavailable,      ///< no daemon, or lost in mid-request: exit 69
  try_later,        ///< refused for now (pool closed, queue full): exit 75
  cannot_create,    ///< exit 73
  io,               ///< exit 74
  not_permitted,    ///< exit 77
  already_running,  ///< tined: another daemon holds the state dir: exit 100
  timed_out,        ///< exit 124
  internal,         ///< tine itself failed: exit 125
};

const std::error_category& tine_category();
inline std::error_code make_error_code(Errc e) { return {static_cast<int>(e), tine_category()}; }

/// `code` is for programs; `context` is for people: a clause, "bind /run/tine.sock".
struct Error {
  std::error_code code;
  std::string context;
  /// One line: the context, and what the system said of it where an errno did.
  std::string message() const;
};

/// The one helper that reads errno.
Error errno_error(std::string context);
inline Error make_error(Errc code, std::string context) {
  return {make_error_code(code), std::move(context)};
}
inline Error usage_error(std::string context) { return make_error(Errc::usage, std::move(context)); }

/// The process exit code of the contract (section 2) for this error.
int exit_code_of(const Error& error);

}  // namespace tine

template <>
struct std::is_error_code_enum<tine::Errc> : std::true_type {};
