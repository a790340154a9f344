#include "core/process/memory_group.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "core/base/file.hpp"
#include "core/base/text.hpp"
#include "core/process/oom_kills.hpp"
#include "core/process/own_cgroup.hpp"

namespace tine {
namespace {

constexpr const char* root = "/sys/fs/cgroup";

/// The kernel takes a setting in one write, or refuses it.
Status put(const std::string& path, std::string_view text) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd || ::write(fd.get(), text.data(), text.size()) < 0) return errno_error("write " + path);
  return ok();
}

Status switch_memory(const std::string& folder, bool on) {
  return put(folder + "/cgroup.subtree_control", on ? "+memory" : "-memory");
}

constexpr std::string_view job_prefix = "job-";

/// Names of the cgroups right below one.
std::vector<std::string> groups_in(const std::string& folder) {
  auto names = names_in(folder);
  std::erase_if(names, [&](const std::string& name) {
    struct stat info {};
    return ::lstat((folder + "/" + name).c_str(), &info) != 0 || !S_ISDIR(info.st_mode);
  });
  return names;
}

bool is_job(const std::string& name) { return name.starts_with(job_prefix); }

/// Of the groups right below one, those of jobs. No file has such a name.
std::vector<std::string> jobs_in(const std::string& folder) {
  auto names = names_in(folder);
  std::erase_if(names, [](const std::string& name) { return !is_job(name); });
  return names;
}

/// With those that a job made below its own.
void remove_tree_of(const std::string& path) {
  for (const auto& name : groups_in(path)) remove_tree_of(path + "/" + name);
  ::rmdir(path.c_str());
}

Status set_bound(const std::string& path) {
  (void)put(path + "/memory.swap.max", "0");  // not where the kernel counts no swap
  (void)put(path + "/memory.oom.group", "1");
  return put(path + "/memory.max", path.substr(path.rfind('.') + 1));
}

/// One at a time switches the controller of a folder, or makes and removes a group for which it is on.
class Turn {
 public:
  explicit Turn(const std::string& folder) : fd_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    while (fd_ && ::flock(fd_.get(), LOCK_EX) < 0 && errno == EINTR) {
    }
  }

 private:
  UniqueFd fd_;
};

void remove_group(const std::string& folder, const std::string& path) {
  const Turn turn(folder);
  remove_tree_of(path);
  if (jobs_in(folder).empty()) (void)switch_memory(folder, false);
}

std::vector<std::string> processes_in(const std::string& folder) {
  std::vector<std::string> pids;
  const auto text = read_file(folder + "/cgroup.procs");
  for (const auto line : split(text ? std::string_view(*text) : std::string_view(), '\n'))
    if (!line.empty()) pids.emplace_back(line);
  return pids;
}

bool is_this_program(const std::string& pid) {
  struct stat theirs {
  }, ours{};
  return ::stat(("/proc/" + pid + "/exe").c_str(), &theirs) == 0 && ::stat("/proc/self/exe", &ours) == 0 &&
         theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino;
}

/// All of them, or none.
Status move(const std::vector<std::string>& pids, const std::string& from, const std::string& to) {
  for (const auto& pid : pids) {
    if (auto status = put(to + "/cgroup.procs", pid); !status) {
      for (const auto& moved : pids) (void)put(from + "/cgroup.procs", moved);
      return status;
    }
  }
  return ok();
}

Status move_down(const std::string& folder) {
  const auto pids = processes_in(folder);
  for (const auto& pid : pids)
    if (!is_this_program(pid))
      return make_error(Errc::not_permitted,
                        "pid " + pid + " is in " + folder + ", which tined does not have alone");
  const std::string leaf = folder + std::string(own_leaf);
  if (::mkdir(leaf.c_str(), 0755) < 0 && errno != EEXIST) return errno_error("make " + leaf);
  return move(pids, folder, leaf);
}

}  // namespace

Result<std::string> claim_memory_groups() {
  const auto own = own_cgroup("");
  if (!own) return make_error(Errc::absent, "there is no cgroup v2");
  std::string folder = *own == "/" ? root : root + *own;
  const bool is_below = folder.ends_with(own_leaf);
  if (is_below) folder.resize(folder.size() - own_leaf.size());
  const auto controllers = read_file(folder + "/cgroup.controllers");
  if (!controllers || controllers->find("memory") == std::string::npos)
    return make_error(Errc::absent, folder + " has no memory controller");
  for (const char* file : {"", "/cgroup.procs", "/cgroup.subtree_control"})
    if (::access((folder + file).c_str(), W_OK) < 0) return errno_error("write " + folder + file);
  if (::access((folder + "/cgroup.type").c_str(), F_OK) < 0)
    return make_error(Errc::not_permitted, folder + " is the machine's own, not tined's");
  for (const auto& name : groups_in(folder))
    if (!is_job(name) && "/" + name != own_leaf &&
        name != ".control")  // systemd's, for ExecStop and the like
      return make_error(Errc::not_permitted, folder + "/" + name + " is not tined's");
  const bool must_move = !is_below;
  if (must_move)
    if (auto status = move_down(folder); !status) return status.error();
  const Turn turn(folder);
  if (auto status = switch_memory(folder, true); !status) {
    const std::string leaf = folder + std::string(own_leaf);
    if (must_move) (void)move(processes_in(leaf), leaf, folder);
    return status.error();
  }
  for (const auto& name : jobs_in(folder)) remove_tree_of(folder + "/" + name);  // those without processes
  if (jobs_in(folder).empty()) (void)switch_memory(folder, false);
  return folder;
}

void remove_memory_group(const std::string& folder, const std::string& key) {
  for (const auto& name : jobs_in(folder)) {
    if (!name.starts_with(std::string(job_prefix) + key + ".")) continue;
    (void)put(folder + "/" + name + "/cgroup.kill", "1");  // whatever it did to its environment and session
    remove_group(folder, folder + "/" + name);
  }
}

Result<std::unique_ptr<MemoryGroup>> MemoryGroup::make(const std::string& folder, const std::string& key,
                                                       std::uint64_t bytes) {
  std::unique_ptr<MemoryGroup> group(new MemoryGroup(folder, key, bytes));
  if (::mkdir(group->path_.c_str(), 0755) < 0 && errno != EEXIST) return errno_error("make " + group->path_);
  if (auto status = group->bound(); !status) return status.error();
  group->entrance_.reset(::open((group->path_ + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
  if (!group->entrance_) return errno_error("open " + group->path_ + "/cgroup.procs");
  return group;
}

MemoryGroup::~MemoryGroup() { remove_group(folder_, path_); }

Status MemoryGroup::bound() {
  const Turn turn(folder_);
  if (auto status = switch_memory(folder_, true); !status) return status;
  for (const auto& name : jobs_in(folder_))
    if (folder_ + "/" + name != path_) (void)set_bound(folder_ + "/" + name);
  return set_bound(path_);
}

Status MemoryGroup::lift() {
  const Turn turn(folder_);
  return switch_memory(folder_, false);
}

std::uint64_t MemoryGroup::oom_kills() const { return OomKills(path_ + "/memory.events").count(); }

}  // namespace tine
