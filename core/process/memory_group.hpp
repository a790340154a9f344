#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/base/unique_fd.hpp"

/// Bounds on the memory of whole jobs: cgroups v2 below tined's own, where that is writable, has the memory
/// controller, and nobody else's processes in it.
///
/// A cgroup that has processes can bound none below it, so tined lives in a leaf below its own, and each
/// bounded job in `job-KEY.BYTES` beside that. For the same reason whoever starts tined again (systemd puts a
/// new main process into the unit's cgroup itself) must find no controller switched on there: it is on only
/// while a bounded job runs beneath a daemon.
namespace tine {

/// Below the cgroup that tined was put into. A name that nobody else gives one.
inline constexpr std::string_view own_leaf = "/tined-itself";

/// Moves this process, and the `tined --init` above it, a level down. Gives the folder for the jobs' groups.
/// Errors: why there is none; nothing was moved then.
Result<std::string> claim_memory_groups();
/// Of a job whose worker has died: kills what is in it. What takes its time to die leaves the empty group to
/// the next claim.
void remove_memory_group(const std::string& folder, const std::string& key);

/// One job's. Made empty; gone, when it is, with the object.
class MemoryGroup {
 public:
  /// `key`: of no other group. `bytes`: what all of its processes may hold, page cache included; swap none.
  /// Errors: errno of mkdir and of the writes.
  static Result<std::unique_ptr<MemoryGroup>> make(const std::string& folder, const std::string& key,
                                                   std::uint64_t bytes);
  ~MemoryGroup();
  MemoryGroup(const MemoryGroup&) = delete;
  MemoryGroup& operator=(const MemoryGroup&) = delete;

  /// Who writes "0" to it is inside: cgroup.procs.
  int entrance() const { return entrance_.get(); }
  /// The bounds of all groups of the folder hold from now on, whoever lifted them; what the jobs have by then
  /// is not counted. Errors: errno of the writes, for its own.
  Status bound();
  /// It holds for no group of the folder: then a new daemon can be put there. Errors: errno of the write.
  Status lift();
  /// Its processes that the kernel killed for want of memory.
  std::uint64_t oom_kills() const;

 private:
  MemoryGroup(std::string folder, const std::string& key, std::uint64_t bytes)
      : folder_(std::move(folder)), path_(folder_ + "/job-" + key + "." + std::to_string(bytes)) {}
  std::string folder_, path_;
  UniqueFd entrance_;
};

}  // namespace tine
