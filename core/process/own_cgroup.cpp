#include "core/process/own_cgroup.hpp"

#include <algorithm>

#include "core/base/file.hpp"
#include "core/base/text.hpp"

namespace tine {

std::optional<std::string> own_cgroup(std::string_view controller) {
  // Lines as "0::/a/b" (v2) and "2:cpu,cpuacct:/a/b" (v1).
  const auto text = read_file("/proc/self/cgroup");
  for (const auto line : split(text ? std::string_view(*text) : std::string_view(), '\n')) {
    const auto fields = split(line, ':');
    if (fields.size() < 3) continue;
    const auto controllers = split(fields[1], ',');  // of v2's line one, ""
    if (std::find(controllers.begin(), controllers.end(), controller) != controllers.end())
      return std::string(line.substr(line.find(":/") + 1));
  }
  return std::nullopt;
}

}  // namespace tine
