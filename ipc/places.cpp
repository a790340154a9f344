#include "ipc/places.hpp"

#include <unistd.h>

#include "core/base/limits.hpp"

namespace tine::ipc {
Result<std::string> socket_path(const std::string& given, const std::string& given_state_dir) {
  std::string path = given.empty() ? environment_value("TINE_SOCKET") : given;
  if (path.empty() || (given.empty() && !given_state_dir.empty())) {
    const auto folder = state_folder(given_state_dir);
    if (!folder) return folder.error();
    path = *folder + "/tine.sock";
  }
  path = absolute_from_here(path);
  if (path.size() > limits::socket_path_bytes_max) {
    return make_error(Errc::usage, "the socket path " + path + " has " + std::to_string(path.size()) +
                                       " bytes; allowed: at most " +
                                       std::to_string(limits::socket_path_bytes_max));
  }
  return path;
}

Result<ConfigPlace> config_place(const std::string& given) {
  if (!given.empty()) return ConfigPlace{absolute_from_here(given), true};
  if (const auto named = environment_value("TINE_CONFIG"); !named.empty())
    return ConfigPlace{absolute_from_here(named), true};
  if (::geteuid() == 0) return ConfigPlace{"/etc/tine/tined.json", false};
  const auto home = home_folder();
  if (!home) return ConfigPlace{"", false};  // nowhere to look: the defaults
  return ConfigPlace{absolute_from_here(*home + "/.config/tine/tined.json"), false};
}

}  // namespace tine::ipc
