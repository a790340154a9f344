#include "core/shared/dict_metas.hpp"

#include <sys/mman.h>

#include <atomic>

namespace tine::shared {
namespace {

constexpr std::uint32_t magic = 0xBEEFC0DE;
constexpr std::uint32_t format = 1;
constexpr std::size_t page_header_bytes = 16;
constexpr std::uint64_t no_root = ~std::uint64_t{0};
/// In the first page, behind all that LMDB ever writes there.
constexpr std::size_t notes_at = 2048;

}  // namespace

/// MDB_meta
struct DictMetas::Meta {
  /// MDB_db
  struct Database {
    std::uint32_t pad;
    std::uint16_t flags, depth;
    std::uint64_t branch_pages, leaf_pages, overflow_pages, entries, root;
  };
  std::uint32_t magic, version;
  std::uint64_t address, map_bytes;
  Database free_pages, main;
  std::uint64_t last_page, transaction;
};

struct DictMetas::Notes {
  std::atomic<std::uint64_t> root_before;  ///< of the main database, in the meta that `committing` overwrites
  std::atomic<std::uint64_t> committing;   ///< stored after it
};

DictMetas::~DictMetas() {
  if (pages_) ::munmap(pages_, 2 * page_bytes_);
}

DictMetas::Meta& DictMetas::meta(std::size_t id) const noexcept {
  return *reinterpret_cast<Meta*>(pages_ + (id & 1) * page_bytes_ + page_header_bytes);
}

DictMetas::Notes& DictMetas::notes() const noexcept { return *reinterpret_cast<Notes*>(pages_ + notes_at); }

Status DictMetas::map(int fd, std::size_t page_bytes) {
  static_assert(sizeof(Meta::Database) == 48 && sizeof(Meta) == 136);
  void* const memory = ::mmap(nullptr, 2 * page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return errno_error("map");
  pages_ = static_cast<std::byte*>(memory);
  page_bytes_ = page_bytes;
  for (const std::size_t id : {0, 1})
    if (meta(id).magic != magic || meta(id).version != format || page_bytes < 2 * notes_at)
      return make_error(Errc::io, "is no LMDB file of format 1");
  return ok();
}

void DictMetas::commits(std::size_t id) noexcept {
  notes().root_before.store(meta(id).main.root, std::memory_order_relaxed);
  notes().committing.store(id, std::memory_order_release);
}

bool DictMetas::is_cut(std::size_t id) const noexcept {
  if (notes().committing.load(std::memory_order_acquire) != id) return false;
  const Meta::Database& main = meta(id).main;
  // A whole one never has the root of two commits before: that page was freed by the one in between, and is
  // not given away again so soon. Where neither has any, all that was missing is there.
  return main.root == no_root ? main.depth != 0
                              : main.root == notes().root_before.load(std::memory_order_relaxed);
}

void DictMetas::undo(std::size_t id) noexcept {
  Meta& cut = meta(id);
  const Meta& before = meta(id + 1);
  cut.map_bytes = before.map_bytes;
  cut.free_pages = before.free_pages;
  cut.last_page = before.last_page;
  const Meta::Database main = before.main;
  cut.main.branch_pages = main.branch_pages;
  cut.main.leaf_pages = main.leaf_pages;
  cut.main.overflow_pages = main.overflow_pages;
  cut.main.entries = main.entries;
  // Last what says that it is cut: until then it is done again.
  std::atomic_ref(cut.main.depth).store(main.depth, std::memory_order_release);
  std::atomic_ref(cut.main.root).store(main.root, std::memory_order_release);
}

}  // namespace tine::shared
