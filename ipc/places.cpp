#include "ipc/places.hpp"

#include <unistd.h>

#include <cstdlib>

#include "core/base/file.hpp"
#include "core/base/limits.hpp"

namespace tine::ipc {
namespace {

/// Unset and empty are the same: `TINE_SOCKET= tine …` is how a shell unsets it for one command.
std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::string absolute(const std::string& path) {
  if (path.empty() || path.front() == '/') return path;
  char here[4096];
  return absolute_path(path, ::getcwd(here, sizeof here) ? here : "/");
}

}  // namespace

Result<std::string> socket_path(const std::string& given, const std::string& given_state_dir) {
  std::string path = given.empty() ? variable("TINE_SOCKET") : given;
  if (path.empty() || (given.empty() && !given_state_dir.empty())) {
    const auto folder = state_folder(given_state_dir);
    if (!folder) return folder.error();
    path = *folder + "/tine.sock";
  }
  path = absolute(path);
  if (path.size() > limits::socket_path_bytes_max) {
    return make_error(Errc::usage, "the socket path " + path + " has " + std::to_string(path.size()) +
                                       " bytes; allowed: at most " +
                                       std::to_string(limits::socket_path_bytes_max));
  }
  return path;
}

Result<ConfigPlace> config_place(const std::string& given) {
  if (!given.empty()) return ConfigPlace{absolute(given), true};
  if (const auto named = variable("TINE_CONFIG"); !named.empty()) return ConfigPlace{absolute(named), true};
  if (::geteuid() == 0) return ConfigPlace{"/etc/tine/tined.json", false};
  const auto home = home_folder();
  if (!home) return ConfigPlace{"", false};  // nowhere to look: the defaults
  return ConfigPlace{absolute(*home + "/.config/tine/tined.json"), false};
}

}  // namespace tine::ipc
