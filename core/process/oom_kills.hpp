#pragma once
#include <cstdint>
#include <string>

#include "core/base/unique_fd.hpp"

namespace tine {

/// How many processes the kernel has killed for want of memory: in this process's memory cgroup (v2's
/// memory.events, with all below it; v1's memory.oom_control), or, where there is none to read, on the whole
/// machine (/proc/vmstat). Says that there was one more, not whom it met.
class OomKills {
 public:
  OomKills();
  explicit OomKills(const std::string& file);  ///< the memory.events of one cgroup
  std::uint64_t count() const;                 ///< 0 where nothing can be read

 private:
  UniqueFd fd_;
};

}  // namespace tine
