#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/shared/element.hpp"
#include "core/shared/folder.hpp"

namespace tine::shared {

/// Numbers or characters of one type. set and add take the array's own lock, get does not: it sees the old or
/// the new value, and waits for nobody. Who holds the lock keeps all other writers out, and may go on
/// writing. A writer that is killed leaves the old or the new value and no lock.
class Array {
 public:
  /// `elements` first, the others 0. Errors: Errc::usage for an unknown code, or an element that does not
  /// fit; as Folder::create().
  static Result<Array> create(const Folder& folder, const std::string& name, char code, std::uint64_t count,
                              const std::vector<Element>& elements = {});
  /// For this process and those that it forks later.
  static Result<Array> anonymous(char code, std::uint64_t count);
  /// Errors: Errc::absent; as Segment::attach().
  static Result<Array> open(const Folder& folder, const std::string& name);

  char code() const { return record().code; }
  std::uint64_t size() const { return record().count; }
  char* data() const { return segment_->memory() + array_data_offset; }
  RobustMutex& mutex() const { return record().mutex; }

  /// Errors: Errc::absent for a bad index; Errc::usage for a value that does not fit; Errc::io when poisoned.
  Result<Element> get(std::uint64_t index) const;
  Status set(std::uint64_t index, const Element& element, Deadline deadline = {});
  Result<Element> add(std::uint64_t index, const Element& element, Deadline deadline = {});

  /// Errors: Errc::timed_out; Errc::io when it cannot be had ever again.
  Status lock(Deadline deadline = {});
  void unlock() { mutex().unlock(); }

 private:
  explicit Array(std::shared_ptr<Segment> segment) : segment_(std::move(segment)) {}
  ArrayRecord& record() const { return *reinterpret_cast<ArrayRecord*>(segment_->memory() + header_bytes); }
  char* place(std::uint64_t index) const { return data() + index * element_bytes(code()); }
  Status check_index(std::uint64_t index) const;

  std::shared_ptr<Segment> segment_;
};

}  // namespace tine::shared
