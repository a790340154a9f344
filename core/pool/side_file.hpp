#pragma once
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/base/unique_fd.hpp"

namespace tine {

/// Where values lie that are too long for a slot: a sparse file in memory that a process and its forks share.
/// Every value gets a fresh range, as the file's offsets never end, so there is no allocator that a killed
/// process could leave damaged; freed ranges give their memory back. What a process wrote and nobody freed
/// stays until the file is closed by all.
class SideFile {
 public:
  /// `next` is the shared word that hands out offsets, 0 at first.
  static Result<SideFile> create(std::atomic<std::uint64_t>& next);
  /// The file of another process, which gave us its descriptor; `next` is the same word.
  static SideFile attach(UniqueFd fd, std::atomic<std::uint64_t>& next) { return {std::move(fd), next}; }
  int descriptor() const { return fd_.get(); }

  std::uint64_t reserve(std::size_t bytes);
  /// Errors: of pwrite(2); EFBIG where the process's RLIMIT_FSIZE is too low (without the signal).
  Status write(std::uint64_t offset, std::string_view bytes) const;
  Result<std::string> read(std::uint64_t offset, std::size_t bytes) const;
  void free(std::uint64_t offset, std::size_t bytes) const;

 private:
  SideFile(UniqueFd fd, std::atomic<std::uint64_t>& next) : fd_(std::move(fd)), next_(&next) {}
  UniqueFd fd_;
  std::atomic<std::uint64_t>* next_;
};

}  // namespace tine
