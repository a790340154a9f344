#include "ipc/places.hpp"

#include <unistd.h>

#include <cstdlib>
#include <string_view>

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

/// The sixth field of the line whose third is `uid`; "": there is none.
std::string home_in_passwd(std::string_view passwd, const std::string& uid) {
  while (!passwd.empty()) {
    auto line = passwd.substr(0, passwd.find('\n'));
    passwd.remove_prefix(std::min(passwd.size(), line.size() + 1));
    std::string_view fields[6];
    for (auto& field : fields) {
      field = line.substr(0, line.find(':'));
      line.remove_prefix(std::min(line.size(), field.size() + 1));
    }
    if (fields[2] == uid) return std::string(fields[5]);
  }
  return "";
}

}  // namespace

Result<std::string> home_folder() {
  if (auto home = variable("HOME"); !home.empty()) return home;
  if (const auto passwd = read_file("/etc/passwd")) {
    if (auto home = home_in_passwd(*passwd, std::to_string(::geteuid())); !home.empty()) return home;
  }
  return make_error(Errc::usage,
                    "HOME is not set and /etc/passwd has no folder for this user; "
                    "allowed: set HOME or TINE_STATE_DIR");
}

Result<std::string> state_folder(const std::string& given) {
  if (!given.empty()) return absolute(given);
  if (const auto named = variable("TINE_STATE_DIR"); !named.empty()) return absolute(named);
  if (::geteuid() == 0) return std::string("/var/lib/tine");
  // The XDG specification has relative paths ignored.
  if (const auto xdg = variable("XDG_STATE_HOME"); !xdg.empty() && xdg.front() == '/') return xdg + "/tine";
  auto home = home_folder();
  if (!home) return home.error();
  return absolute(*home + "/.local/state/tine");
}

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
