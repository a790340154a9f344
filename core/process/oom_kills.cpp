#include "core/process/oom_kills.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/file.hpp"
#include "core/base/text.hpp"
#include "core/process/memory_group.hpp"

namespace tine {
namespace {

/// In the order in which they are asked. /proc/self/cgroup has lines as "0::/a/b" (v2) and "4:memory:/a/b"
/// (v1); in a cgroup namespace the path is "/". tined's own leaf has a memory.events while a bounded job runs
/// alone: the one above counts what is below, and is always there.
std::vector<std::string> places() {
  std::vector<std::string> all;
  const auto own = read_file("/proc/self/cgroup");
  for (const auto line : split(own ? std::string_view(*own) : std::string_view(), '\n')) {
    if (line.starts_with("0::")) {
      std::string group = "/sys/fs/cgroup" + std::string(line.substr(3));
      if (group.ends_with(own_leaf)) group.resize(group.size() - own_leaf.size());
      all.push_back(group + "/memory.events");
    }
    if (const auto at = line.find(":memory:"); at != std::string_view::npos)
      all.push_back("/sys/fs/cgroup/memory" + std::string(line.substr(at + 8)) + "/memory.oom_control");
  }
  all.push_back("/proc/vmstat");
  return all;
}

}  // namespace

OomKills::OomKills() {
  for (const auto& place : places()) {
    fd_.reset(::open(place.c_str(), O_RDONLY | O_CLOEXEC));
    if (fd_) return;
  }
}

OomKills::OomKills(const std::string& file) : fd_(::open(file.c_str(), O_RDONLY | O_CLOEXEC)) {}

std::uint64_t OomKills::count() const {
  constexpr std::string_view key = "oom_kill ";
  char text[16384];  // /proc/vmstat has some 5 KB
  const auto size = ::pread(fd_.get(), text, sizeof text, 0);
  if (size <= 0) return 0;
  for (const auto line : split(std::string_view(text, static_cast<std::size_t>(size)), '\n')) {
    if (!line.starts_with(key)) continue;
    std::uint64_t count = 0;
    std::from_chars(line.data() + key.size(), line.data() + line.size(), count);
    return count;
  }
  return 0;
}

}  // namespace tine
