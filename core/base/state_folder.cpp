#include "core/base/state_folder.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

#include "core/base/file.hpp"

namespace tine {
namespace {

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

bool is_folder(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

}  // namespace

std::string environment_value(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::string absolute_from_here(const std::string& path) {
  if (path.empty() || path.front() == '/') return path;
  char here[4096];
  return absolute_path(path, ::getcwd(here, sizeof here) ? here : "/");
}

Result<std::string> home_folder() {
  if (auto home = environment_value("HOME"); !home.empty()) return home;
  if (const auto passwd = read_file("/etc/passwd")) {
    if (auto home = home_in_passwd(*passwd, std::to_string(::geteuid())); !home.empty()) return home;
  }
  return make_error(Errc::usage,
                    "HOME is not set and /etc/passwd has no folder for this user; "
                    "allowed: set HOME or TINE_STATE_DIR");
}

Result<std::string> state_folder(const std::string& given) {
  if (!given.empty()) return absolute_from_here(given);
  if (const auto named = environment_value("TINE_STATE_DIR"); !named.empty())
    return absolute_from_here(named);
  if (::geteuid() == 0) return std::string("/var/lib/tine");
  // The XDG specification has relative paths ignored.
  if (const auto xdg = environment_value("XDG_STATE_HOME"); !xdg.empty() && xdg.front() == '/')
    return xdg + "/tine";
  auto home = home_folder();
  if (!home) return home.error();
  return absolute_from_here(*home + "/.local/state/tine");
}

Result<std::string> state_folder_of_socket(const std::string& given_state_dir,
                                           const std::string& given_socket) {
  if (!given_state_dir.empty()) return absolute_from_here(given_state_dir);
  const auto socket = given_socket.empty() ? environment_value("TINE_SOCKET") : given_socket;
  if (!socket.empty()) {
    const auto place = absolute_from_here(socket);
    char folder[4096];
    const ssize_t size = ::readlink(state_link_of_socket(place).c_str(), folder, sizeof folder);
    if (size > 0 && size < static_cast<ssize_t>(sizeof folder) && folder[0] == '/')
      return std::string(folder, static_cast<std::size_t>(size));
    if (is_folder(parent_folder(place) + "/shared")) return parent_folder(place);
  }
  return state_folder("");
}

}  // namespace tine
