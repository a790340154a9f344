#include "core/process/oom_kills.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/text.hpp"
#include "core/process/memory_group.hpp"
#include "core/process/own_cgroup.hpp"

namespace tine {
namespace {

/// In the order in which they are asked. tined's own leaf has a memory.events while a bounded job runs alone:
/// the one above counts what is below, and is always there.
std::vector<std::string> places() {
  std::vector<std::string> all;
  if (const auto v1 = own_cgroup("memory"))
    all.push_back("/sys/fs/cgroup/memory" + *v1 + "/memory.oom_control");
  if (auto v2 = own_cgroup("")) {
    if (v2->ends_with(own_leaf)) v2->resize(v2->size() - own_leaf.size());
    all.push_back("/sys/fs/cgroup" + *v2 + "/memory.events");
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
