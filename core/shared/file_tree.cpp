#include "core/shared/file_tree.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.hpp"

namespace tine::shared {

void remove_tree(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) < 0) return;
  if (!S_ISDIR(info.st_mode)) {
    ::unlink(path.c_str());
    return;
  }
  for (const auto& name : names_in(path)) remove_tree(path + "/" + name);
  ::rmdir(path.c_str());
}

std::uint64_t bytes_below(const std::string& folder) {
  std::uint64_t bytes = 0;
  for (const auto& name : names_in(folder)) {
    const auto path = folder + "/" + name;
    struct stat info {};
    if (::lstat(path.c_str(), &info) < 0) continue;
    if (S_ISDIR(info.st_mode)) bytes += bytes_below(path);
    if (S_ISREG(info.st_mode)) bytes += static_cast<std::uint64_t>(info.st_size);
  }
  return bytes;
}

}  // namespace tine::shared
