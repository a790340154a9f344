#pragma once
#include <functional>
#include <string_view>

#include "core/base/result.hpp"
#include "core/shared/segment.hpp"

namespace tine::shared {

/// The blocks of a queue's file, and the two lists through them. Everything here is for the holder of the
/// queue's mutex.
class QueueHeap {
 public:
  /// Called to reserve `bytes` more of the file: asks the budget, then calls Segment::grow.
  using Grow = std::function<Status(std::uint64_t bytes, const std::function<Status()>& take)>;

  explicit QueueHeap(Segment& segment) : segment_(segment) {}
  static void initialise(char* memory, std::uint64_t bytes, std::uint64_t items_max);

  QueueRecord& record() const { return *reinterpret_cast<QueueRecord*>(segment_.memory() + header_bytes); }
  Block& at(std::uint64_t offset) const { return *reinterpret_cast<Block*>(segment_.memory() + offset); }
  BlockWord word(std::uint64_t offset) const { return {at(offset).word.load(std::memory_order_relaxed)}; }
  std::string_view value(std::uint64_t offset) const;

  /// Makes a block that is queued as soon as `committed` reaches `sequence`. Its offset.
  /// Errors: Errc::cannot_create when there is no room; Errc::io for damage.
  Result<std::uint64_t> write(std::uint64_t sequence, std::string_view value, const Grow& grow);
  /// One store: the block is free.
  void release(std::uint64_t offset);
  /// One store: the block has another state.
  void set_word(std::uint64_t offset, BlockState state, std::uint64_t deliveries);

  /// Puts a block into the list of queued ones, by its sequence, and takes it out.
  void link_queued(std::uint64_t offset);
  void unlink_queued(std::uint64_t offset);
  void link_lease(std::uint64_t offset);
  void unlink_lease(std::uint64_t offset);

  /// Computes all that is derived from the blocks' words again. Errors: Errc::io, poisoned, when they do not
  /// add up.
  Status recover();

 private:
  Result<std::uint64_t> allocate(std::uint64_t bytes, const Grow& grow);
  Result<std::uint64_t> find_free(std::uint64_t bytes);  ///< 0: none
  Status grow_by(std::uint64_t bytes, const Grow& grow);
  Error damaged();
  std::uint64_t end() const { return segment_.header().bytes.load(std::memory_order_relaxed); }
  Segment& segment_;
};

}  // namespace tine::shared
