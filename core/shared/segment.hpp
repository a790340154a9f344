#pragma once
#include <functional>
#include <memory>
#include <string>

#include "core/base/result.hpp"
#include "core/base/unique_fd.hpp"
#include "core/shared/layout.hpp"

namespace tine::shared {

/// A piece of memory that processes share: a file below the state dir, or a memfd for the processes that this
/// one forks later. All of its `bytes` are reserved when it is made, so that no store to it can fail.
/// Processes of other uids and of other PID namespaces are kept out; one that died with its whole namespace
/// (a container that was restarted) is taken over.
class Segment {
 public:
  struct Size {
    std::uint64_t bytes = 0;
    std::uint64_t bytes_max = 0;  ///< how far it may grow; address space alone until then
  };
  /// Fills the memory after the header, before anybody else sees it.
  using Fill = std::function<void(char* memory)>;

  /// Makes `path`, whole or not at all. Errors: Errc::cannot_create when it is there already, or the disk is
  /// full.
  static Result<std::shared_ptr<Segment>> create(const std::string& path, Kind kind, Size size,
                                                 const Fill& fill);
  static Result<std::shared_ptr<Segment>> anonymous(Kind kind, Size size, const Fill& fill);
  /// Errors: Errc::absent; ESTALE when it is of another boot (worth nothing: drop it); Errc::not_permitted
  /// for a link, another uid's, another PID namespace's; Errc::io when it is truncated, of another version or
  /// poisoned.
  static Result<std::shared_ptr<Segment>> attach(const std::string& path, Kind kind);
  ~Segment();
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;

  char* memory() const { return memory_; }
  SegmentHeader& header() const { return *reinterpret_cast<SegmentHeader*>(memory_); }
  /// How the kernel names this file in a line of /proc/PID/maps, "08:01 1234 "; "": that cannot be read.
  const std::string& mapping() const;
  const std::string& path() const { return path_; }  ///< "": anonymous

  /// Reserves more, for the holder of the structure's mutex; `fill` gets what was added before it counts.
  /// Errors: Errc::cannot_create, and nothing changed.
  Status grow(std::uint64_t bytes, const Fill& fill);

  /// From now on every user is told so.
  void poison(Poison why) { header().poison.store(why); }
  /// Errors: Errc::io when it is poisoned.
  Status check() const;

 private:
  Segment(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  static Result<std::shared_ptr<Segment>> make(UniqueFd fd, const std::string& path, Kind kind, Size size,
                                               const Fill& fill);
  Status reserve(std::uint64_t from, std::uint64_t to);
  Status map(std::uint64_t bytes);
  Status enter_pid_namespace();
  std::string name() const;

  UniqueFd fd_;  ///< holds a shared flock as long as anybody has it mapped
  std::string path_;
  char* memory_ = nullptr;
  std::uint64_t mapped_bytes_ = 0;
  mutable std::string mapping_;
};

/// A name for a file beside `path` that is taken for rubbish when its maker has died.
std::string unfinished_path(const std::string& folder);
bool is_unfinished_and_dead(const std::string& file_name);
/// ENOSPC, EDQUOT, ENOMEM, EFBIG become Errc::cannot_create.
Error creation_error(Error error);

}  // namespace tine::shared
