#include "core/process/huge_pages.hpp"

#include <sys/mman.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <memory>

namespace tine {
namespace {

constexpr std::uintptr_t huge_page_bytes = 2u << 20;
/// Smaller ones cost a fork next to nothing.
constexpr std::uintptr_t worth_bytes = 4 * huge_page_bytes;
constexpr int collapse = 25;  ///< MADV_COLLAPSE of Linux 6.1, which Debian 12's headers do not name

struct Mapping {
  std::uintptr_t from = 0, to = 0;
  bool is_own = false;  ///< private, written, of no file
};

void fold(const Mapping& mapping, std::uint64_t resident_kb) {
  // A sparse one would be filled: only what is there anyway.
  if (!mapping.is_own || mapping.to - mapping.from < worth_bytes ||
      resident_kb * 1024 < (mapping.to - mapping.from) / 10 * 9)
    return;
  const auto from = (mapping.from + huge_page_bytes - 1) & ~(huge_page_bytes - 1);
  const auto to = mapping.to & ~(huge_page_bytes - 1);
  if (from < to) (void)::madvise(reinterpret_cast<void*>(from), to - from, collapse);
}

}  // namespace

void fold_into_huge_pages() {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> maps(std::fopen("/proc/self/smaps", "re"),
                                                             std::fclose);
  if (!maps) return;
  char line[512];
  Mapping mapping;
  while (std::fgets(line, sizeof line, maps.get())) {
    std::uintptr_t from = 0, to = 0;
    char rights[5] = "";
    std::uint64_t inode = 0, resident_kb = 0;
    if (std::sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %*s %*s %" SCNu64, &from, &to, rights, &inode) == 4)
      mapping = {from, to, rights[1] == 'w' && rights[3] == 'p' && inode == 0};
    else if (std::sscanf(line, "Rss: %" SCNu64 " kB", &resident_kb) == 1)
      fold(mapping, resident_kb);
  }
}

}  // namespace tine
