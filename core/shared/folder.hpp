#pragma once
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/shared/segment.hpp"

namespace tine::shared {

/// <state dir>/shared: the named structures, a file each (a dictionary: a folder). A name is 1 to 200 bytes,
/// those that are no letter, digit, `_` or `-` counted three times. An array and a queue may have the same
/// name.
class Folder {
 public:
  /// Makes it if absent, 0700. Errors: Errc::not_permitted for another uid's; errno.
  static Result<Folder> open(const std::string& state_dir);
  /// The daemon's of this user: state_folder_of_socket("", "").
  static Result<Folder> of_environment();

  /// Errors: as Segment; one of another boot is dropped, and Errc::absent.
  Result<std::shared_ptr<Segment>> attach(Kind kind, const std::string& name) const;
  /// Errors: as Segment; Errc::cannot_create when the budget (shared_memory_bytes) does not allow it.
  Result<std::shared_ptr<Segment>> create(Kind kind, const std::string& name, Segment::Size size,
                                          const Segment::Fill& fill) const;
  /// attach(), else create(); of several that try, all get the same.
  Result<std::shared_ptr<Segment>> attach_or_create(Kind kind, const std::string& name, Segment::Size size,
                                                    const Segment::Fill& fill) const;
  /// Who has it attached goes on with the old one; those who wait in it give up. Errors: Errc::absent.
  Status remove(Kind kind, const std::string& name) const;
  std::vector<std::string> names(Kind kind) const;

  /// Errors: Errc::usage for a bad name.
  Result<std::string> path(Kind kind, const std::string& name) const;
  const std::string& path() const { return path_; }

  /// What may be used in all, by every structure together.
  void set_budget(std::uint64_t bytes) const;
  std::uint64_t budget() const;
  std::uint64_t used() const;
  /// Runs `take` while nobody else changes what is used. Errors: Errc::cannot_create when `bytes` more are
  /// over the budget; `take`'s.
  Status within_budget(std::uint64_t bytes, const std::function<Status()>& take) const;

  /// Removes what is of another boot, and what creators that died left unfinished. The names of what was
  /// dropped.
  std::vector<std::string> drop_stale() const;

 private:
  explicit Folder(std::string path) : path_(std::move(path)) {}
  /// Let go explicitly: a child that another thread forked meanwhile has the descriptor as well.
  struct Hold {
    explicit Hold(UniqueFd file) : fd(std::move(file)) {}
    Hold(Hold&&) noexcept = default;
    ~Hold();
    UniqueFd fd;
  };
  Result<Hold> lock() const;
  Status drop_if_stale(Kind kind, const std::string& path) const;
  std::string path_;
};

inline constexpr std::uint64_t budget_bytes_default = 1ull << 30;

}  // namespace tine::shared
