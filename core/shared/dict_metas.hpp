#pragma once
#include <cstddef>
#include <cstdint>

#include "core/base/result.hpp"

namespace tine::shared {

/// The two meta pages of an LMDB file (data format 1, of 0.9), of which commits write one in turn: for a
/// writer that is killed in the last stores of its commit.
///
/// With MDB_WRITEMAP a commit stores the fields of its meta, and then its number, by which the meta counts.
/// But on x86 nothing keeps the compiler from changing the order, and in Debian 12's liblmdb the root of the
/// main database comes after the number (mdb_env_write_meta of 0.9.24; elsewhere a barrier is compiled in). A
/// writer that is killed between the two leaves a newest meta with the root of two commits before, whose
/// pages are free by the list of the same meta. Such a commit is cut: nobody was told of it, and it is made
/// one that changed nothing.
class DictMetas {
 public:
  DictMetas() = default;
  ~DictMetas();
  DictMetas(const DictMetas&) = delete;
  DictMetas& operator=(const DictMetas&) = delete;

  /// Errors: errno of mmap; Errc::io for a file of another format.
  Status map(int fd, std::size_t page_bytes);

  /// Whoever has LMDB's lock of writers, before it commits transaction `id`.
  void commits(std::size_t id) noexcept;
  /// Of the last transaction that counts: as LMDB's lock of writers, or a reader's number, says.
  bool is_cut(std::size_t id) const noexcept;
  /// With LMDB's lock of writers. May be killed, and done again.
  void undo(std::size_t id) noexcept;

 private:
  struct Meta;
  struct Notes;
  Meta& meta(std::size_t id) const noexcept;
  Notes& notes() const noexcept;
  std::byte* pages_ = nullptr;
  std::size_t page_bytes_ = 0;
};

}  // namespace tine::shared
