#pragma once
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/shared/folder.hpp"
#include "core/shared/queue_heap.hpp"

namespace tine::shared {

/// Values in order, put and got by any number of processes. A value is whole or not there, whoever is killed
/// when; one that was got is in its getter's hand and dies with it, one that was taken comes back at the head
/// when its owner ends without an ack. A process that is stopped in the middle of an operation (microseconds)
/// makes the others wait, to their deadline.
class Queue {
 public:
  struct Lease {
    std::string receipt;  ///< for ack()
    std::string value;
    std::uint64_t deliveries = 0;  ///< how often it was taken, this time counted
  };
  struct LeaseOwner {
    Owner owner = 0;
    Owner job = 0;      ///< the attempt whose end is the lease's end; 0: none
    Owner witness = 0;  ///< of an owner that is a job: as witness_of_this_job()
  };
  static constexpr std::uint64_t bytes_at_first = 64u << 10;

  /// `items_max` 0: as many as fit. Grows as it needs, up to the budget. Errors: as Folder::create().
  static Result<Queue> create(const Folder& folder, const std::string& name, std::uint64_t items_max);
  static Result<Queue> anonymous(std::uint64_t items_max);
  static Result<Queue> open(const Folder& folder, const std::string& name);
  /// Made without a limit if absent.
  static Result<Queue> open_or_create(const Folder& folder, const std::string& name);

  // Errors of all: Errc::timed_out; Errc::absent when the queue was removed meanwhile; Errc::io when
  // poisoned.

  /// All values or none. While there is no room for all it waits. Errors: Errc::cannot_create when the memory
  /// they need cannot be had; Errc::usage for more values than the queue may ever hold.
  Status put(const std::vector<std::string>& values, Deadline deadline = {});
  Result<std::string> get(Deadline deadline = {});
  Result<Lease> take(const LeaseOwner& owner, Deadline deadline = {});
  /// The value is done with. Errors: Errc::absent: no such lease; it may have gone back meanwhile.
  Status ack(const std::string& receipt);
  /// Back at the head. Errors: as ack().
  Status give_back(const std::string& receipt);

  Result<std::uint64_t> size();   ///< without those that are taken
  Result<std::uint64_t> clear();  ///< how many values it had; those that are taken are not among them
  std::uint64_t items_max() const { return heap_.record().items_max; }

  /// Leases whose owner has ended come back; all of `job` (0: none), too. How many.
  Result<std::uint64_t> return_leases(Owner job, Deadline deadline = {});
  /// Looks at every block. Errors: Errc::io, poisoned, when they do not add up.
  Status verify(Deadline deadline);

 private:
  explicit Queue(std::shared_ptr<Segment> segment, std::optional<Folder> folder)
      : segment_(std::move(segment)), folder_(std::move(folder)), heap_(*segment_) {}
  Status lock(const Deadline& deadline);
  void unlock_and_wake(std::uint64_t items, std::uint64_t room);
  Result<std::uint64_t> lock_for_item(const Deadline& deadline);
  Status lock_for_room(std::uint64_t count, const Deadline& deadline);
  Status sleep(std::atomic<std::uint32_t>& word, std::atomic<std::uint32_t>& sleepers,
               const Deadline& deadline);
  std::uint64_t return_dead_leases(Owner job, bool always);
  Result<std::uint64_t> find_lease(const std::string& receipt);
  QueueHeap::Grow grow() const;

  std::shared_ptr<Segment> segment_;
  std::optional<Folder> folder_;  ///< whose budget it grows in; none: anonymous
  QueueHeap heap_;
  Clock::time_point leases_looked_at_{};
  Clock::duration look_cost_{};
};

}  // namespace tine::shared
