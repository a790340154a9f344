#pragma once
#include <memory>
#include <string>

#include "core/shared/folder.hpp"

namespace tine::shared {

/// A lock with an owner, which may take it again. Its owner is a thread, or an attempt of a job (of all
/// processes in it). It is freed when its owner ends, however: exit, exec, kill -9, the end of the job; by
/// whoever waits, within a second and without a daemon. An owner that lives, stopped or not, is never robbed.
/// Waiters get it in the order they came; one that does not answer at its turn (stopped) is passed over.
/// Nested: who runs inside of an owner (below its `lock run`, or in the job that acquired it) enters at once,
/// while it is that owner's turn; two who do so exclude each other.
class RLock {
 public:
  /// Errors: as Folder::attach_or_create().
  static Result<RLock> open_or_create(const Folder& folder, const std::string& name);
  static Result<RLock> open(const Folder& folder, const std::string& name);
  static Result<RLock> anonymous();

  /// By this thread. Errors: Errc::timed_out; Errc::absent when the lock was removed meanwhile;
  /// Errc::try_later when it is nested too deep.
  Status acquire(Deadline deadline = {});
  /// Errors: Errc::not_permitted when this thread does not hold it.
  Status release();

  /// By a job, from any process in it. `witness`: as witness_of_this_job().
  Status acquire_for_job(Owner job, Owner witness, Deadline deadline = {});
  Status release_for_job(Owner job);

  /// Whether the owner before this one ended while it held the lock: what it guards may be half done.
  bool owner_died() const { return record().previous_died.load(std::memory_order_relaxed) != 0; }
  bool is_held_by_this_thread() const;

  struct State {
    Owner owner = 0;          ///< 0: free
    Owner job = 0;            ///< the attempt it is in; 0: none
    std::uint64_t depth = 0;  ///< how often it is held, nested ones counted
    std::uint64_t waiters = 0;
  };
  State state() const;  ///< a snapshot

  /// Frees it when its owner has ended, or when the owner is in `ended_job` (0: none). Waits for nobody.
  bool free_if_ended(Owner ended_job);

 private:
  explicit RLock(std::shared_ptr<Segment> segment)
      : segment_(std::move(segment)), is_named_(!segment_->path().empty()) {}
  LockRecord& record() const { return *reinterpret_cast<LockRecord*>(segment_->memory() + header_bytes); }

  void become_base(Owner self, bool after_death);
  bool reenter(Owner self);
  bool enter_free(Owner self, std::uint64_t word);
  Result<bool> enter_nested(Owner self, std::uint64_t word);
  Status wait_and_enter(Owner self, const Deadline& deadline);

  enum class Look { quick, thorough };
  bool has_ended(Owner owner, Look look) const;
  bool clear_ended(std::uint64_t word);
  void pass_on(Owner self, Owner next);

  LockRecord::Nested* nested_of(Owner owner) const;
  LockRecord::Nested* inside_of(Owner parent) const;
  bool is_in_chain(const LockRecord::Nested& entry) const;
  Owner base_of_chain() const;

  LockRecord::Waiter* sit_down(Owner self);
  void stand_up(LockRecord::Waiter* place);
  LockRecord::Waiter* first_waiter() const;
  void clear_dead_waiters();
  void wake_first();
  void wake_all();

  std::shared_ptr<Segment> segment_;
  bool is_named_;
};

}  // namespace tine::shared
