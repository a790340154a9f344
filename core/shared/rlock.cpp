#include "core/shared/rlock.hpp"

#include <algorithm>
#include <thread>

#include "core/base/file.hpp"
#include "core/pool/wait_word.hpp"
#include "core/shared/job_mark.hpp"
#include "core/shared/step.hpp"

namespace tine::shared {
namespace {

/// A waiter looks so often whether the owner still lives, and each `naps_thorough` times whether it is still
/// the program that took the lock.
constexpr std::chrono::milliseconds owner_nap{25};
constexpr int naps_thorough = 10;
/// Who is first in the line and does not take a free lock for so long is passed over.
constexpr std::chrono::milliseconds answer_time{5};

constexpr std::uint64_t contended = 1;
Owner owner_in(std::uint64_t word) { return word >> 1; }
bool is_free(Owner owner) { return owner == 0 || owner == free_after_death; }
std::uint64_t with_owner(std::uint64_t word, Owner owner) { return owner << 1 | (word & contended); }

std::uint64_t nonce_of_program() {
  static const auto nonce = program_nonce();
  return nonce;
}

void fill(char* memory) {
  auto& record = *new (memory + header_bytes) LockRecord{};
  record.job_mutex.initialise(/*recursive=*/false);
}

}  // namespace

Result<RLock> RLock::open_or_create(const Folder& folder, const std::string& name) {
  auto segment = folder.attach_or_create(Kind::lock, name, {lock_bytes, 0}, fill);
  if (!segment) return segment.error();
  return RLock(std::move(*segment));
}

Result<RLock> RLock::open(const Folder& folder, const std::string& name) {
  auto segment = folder.attach(Kind::lock, name);
  if (!segment) return segment.error();
  return RLock(std::move(*segment));
}

Result<RLock> RLock::anonymous() {
  auto segment = Segment::anonymous(Kind::lock, {lock_bytes, 0}, fill);
  if (!segment) return segment.error();
  return RLock(std::move(*segment));
}

// Entering

Status RLock::acquire(Deadline deadline) {
  const auto self = this_thread();
  std::uint64_t nobody = 0;
  if (record().word.compare_exchange_strong(nobody, self << 1, std::memory_order_acquire)) {
    become_base(self, false);
    return ok();
  }
  if (owner_in(nobody) == self && reenter(self)) return ok();
  return wait_and_enter(self, deadline);
}

void RLock::become_base(Owner self, bool after_death) {
  auto& lock = record();
  step("lock taken");
  lock.base.store(self, std::memory_order_relaxed);
  lock.depth.store(1, std::memory_order_relaxed);
  lock.previous_died.store(after_death ? 1 : 0, std::memory_order_relaxed);
  lock.nonce.store(nonce_of_program(), std::memory_order_relaxed);
  if (is_named_) {
    lock.job_of.store(0);
    const auto job = this_job();
    lock.job.store(job);
    lock.job_of.store(self);
    // A function's worker lives on after the job. If the mark cannot be made, the lock is free at the
    // worker's end.
    if (job) (void)mark_job(parent_folder(segment_->path()), job);
  }
  step("lock owned");
}

/// False: the owner was a program that this thread was before an exec.
bool RLock::reenter(Owner self) {
  auto& lock = record();
  if (auto* nested = nested_of(self)) return nested->depth.fetch_add(1), true;
  if (lock.base.load() != self || lock.nonce.load() != nonce_of_program()) return false;
  lock.depth.store(lock.depth.load() + 1);
  return true;
}

bool RLock::enter_free(Owner self, std::uint64_t word) {
  if (!record().word.compare_exchange_strong(word, self << 1 | (word & contended))) return false;
  become_base(self, owner_in(word) == free_after_death);
  return true;
}

Result<bool> RLock::enter_nested(Owner self, std::uint64_t word) {
  for (auto& nested : record().nested) {
    std::uint64_t empty = nested.owner.load();
    if (empty != 0 && (is_in_chain(nested) || is_alive(empty))) continue;
    if (!nested.owner.compare_exchange_strong(empty, self)) continue;
    nested.depth.store(1);
    nested.parent.store(owner_in(word));
    step("lock nested");
    if (record().word.compare_exchange_strong(word, with_owner(word, self))) return true;
    nested.owner.store(0);
    return false;
  }
  return make_error(Errc::try_later, "the lock is nested too deep; allowed: " +
                                         std::to_string(LockRecord::nested_max) + " inside of each other");
}

Status RLock::wait_and_enter(Owner self, const Deadline& deadline) {
  auto& lock = record();
  const Owner job = this_job();
  auto* place = sit_down(self);
  step("lock waits");
  const auto leave = [&](Status status) {
    stand_up(place);
    // A wake that was meant for this one is handed on.
    if (is_free(owner_in(lock.word.load()))) wake_first();
    return status;
  };
  std::uint32_t releases_seen = 0;
  bool was_free = false;
  for (int naps = 0;; ++naps) {
    const auto word = lock.word.load();
    const auto owner = owner_in(word);
    auto sleep = owner_nap;
    if (is_free(owner)) {
      const auto* first = first_waiter();
      if (first == nullptr || first == place) {
        if (!enter_free(self, word)) continue;
        stand_up(place);
        return ok();
      }
      if (was_free && releases_seen == lock.releases.load()) {
        // It had its time: to the end of the line.
        auto ticket = first->ticket.load();
        if (ticket)
          const_cast<LockRecord::Waiter*>(first)->ticket.compare_exchange_strong(ticket, ++lock.next_ticket);
        clear_dead_waiters();
        was_free = false;
        continue;
      }
      was_free = true;
      releases_seen = lock.releases.load();
      sleep = answer_time;
    } else {
      was_free = false;
      if (owner == job || is_around_this_process(owner)) {
        const auto entered = enter_nested(self, word);
        if (!entered) return leave(entered.error());
        if (*entered) return stand_up(place), ok();
        continue;
      }
      if (has_ended(owner, naps % naps_thorough == naps_thorough - 1 ? Look::thorough : Look::quick)) {
        clear_ended(word);
        continue;
      }
    }
    if (has_passed(deadline)) return leave(make_error(Errc::timed_out, "the lock was not free in time"));
    if (segment_->header().removed.load()) return leave(make_error(Errc::absent, "the lock was removed"));
    if (place == nullptr) {  // the line is full
      std::this_thread::sleep_for(answer_time);
      continue;
    }
    const auto seen = place->wake.load();
    if (is_free(owner) || owner_in(lock.word.load()) == owner)
      wait_word(place->wake, seen, WordScope::shared, sooner(deadline, sleep));
  }
}

// Leaving

Status RLock::release() {
  auto& lock = record();
  const auto self = this_thread();
  if (lock.base.load(std::memory_order_relaxed) == self &&
      lock.nonce.load(std::memory_order_relaxed) == nonce_of_program()) {
    const auto depth = lock.depth.load(std::memory_order_relaxed);
    if (owner_in(lock.word.load(std::memory_order_relaxed)) == self) {
      if (depth > 1) return lock.depth.store(depth - 1, std::memory_order_relaxed), ok();
      lock.base.store(0, std::memory_order_relaxed);
      step("lock let go");
      auto word = self << 1;
      if (!lock.word.compare_exchange_strong(word, 0, std::memory_order_release)) pass_on(self, 0);
      step("lock released");
      return ok();
    }
    if (auto* inside = base_of_chain() == self ? inside_of(self) : nullptr) {
      // Somebody entered inside of this owner, and stays as the lock's own.
      if (depth > 1) return lock.depth.store(depth - 1), ok();
      lock.base.store(0);
      inside->parent.store(0);
      return ok();
    }
  }
  auto* nested = nested_of(self);
  if (nested == nullptr) return make_error(Errc::not_permitted, "the lock is not held by this thread");
  if (nested->depth.load() > 1) return nested->depth.fetch_sub(1), ok();
  const auto parent = nested->parent.load();
  if (auto* inside = owner_in(lock.word.load()) == self ? nullptr : inside_of(self))
    inside->parent.store(parent);
  else
    pass_on(self, parent);
  nested->owner.store(0);
  return ok();
}

/// The word from `self` to `next`, and whoever may go on is woken.
void RLock::pass_on(Owner self, Owner next) {
  auto& lock = record();
  auto word = lock.word.load();
  do {
    if (owner_in(word) != self) return;
  } while (!lock.word.compare_exchange_weak(word, with_owner(word, next)));
  step("lock passed on");
  lock.releases.fetch_add(1);
  if (!(word & contended)) return;
  // Back to an outer owner: those who may enter inside of it can be anywhere in the line.
  is_free(next) ? wake_first() : wake_all();
}

bool RLock::is_held_by_this_thread() const {
  const auto self = this_thread();
  if (is_free(owner_in(record().word.load()))) return false;
  if (nested_of(self)) return true;
  return record().base.load() == self && record().nonce.load() == nonce_of_program() &&
         base_of_chain() == self;
}

// Jobs

Status RLock::acquire_for_job(Owner job, Owner witness, Deadline deadline) {
  auto& lock = record();
  const auto guard = [&] {
    const auto taken = lock.job_mutex.lock_until(deadline);
    if (taken == RobustMutex::Taken::after_death) lock.job_mutex.mark_consistent();
    return taken != RobustMutex::Taken::no;
  };
  const auto late = make_error(Errc::timed_out, "the lock was not free in time");
  if (!guard()) return late;
  const bool has_it = base_of_chain() == job;
  if (has_it) lock.depth.fetch_add(1);
  lock.job_mutex.unlock();
  if (has_it) return ok();
  // By this thread first: a job's name is in the word only when all that is said of it is there.
  if (auto entered = acquire(deadline); !entered) return entered;
  if (!guard()) return (void)release(), late;
  if (base_of_chain() == job) {  // another process of the job was quicker, and this one is nested in it
    lock.depth.fetch_add(1);
    lock.job_mutex.unlock();
    return release();
  }
  lock.witness.store(witness);
  lock.job.store(job);
  lock.job_of.store(job);
  lock.base.store(job);
  step("lock given to its job");
  const auto self = this_thread();
  auto word = lock.word.load();
  while (owner_in(word) == self && !lock.word.compare_exchange_weak(word, with_owner(word, job))) {
  }
  lock.job_mutex.unlock();
  return ok();
}

Status RLock::release_for_job(Owner job) {
  auto& lock = record();
  if (lock.job_mutex.lock() == RobustMutex::Taken::after_death) lock.job_mutex.mark_consistent();
  Status released = ok();
  if (base_of_chain() != job) {
    released = make_error(Errc::not_permitted, "the lock is not held by this job");
  } else if (lock.depth.load() > 1) {
    lock.depth.fetch_sub(1);
  } else if (auto* inside = inside_of(job)) {
    lock.base.store(0);
    inside->parent.store(0);
  } else {
    lock.base.store(0);
    pass_on(job, 0);
  }
  lock.job_mutex.unlock();
  return released;
}

// Ends

bool RLock::has_ended(Owner owner, Look look) const {
  auto& lock = record();
  if (is_job(owner)) {
    const auto witness = lock.witness.load();
    return witness != 0 && !is_alive(witness);
  }
  if (owner == this_thread()) return lock.nonce.load() != nonce_of_program() && nested_of(owner) == nullptr;
  return look == Look::quick ? !is_alive(owner) : !is_alive_and_maps(owner, segment_->mapping());
}

/// The owner in `word` has ended: the lock goes to who is around it, or is free.
bool RLock::clear_ended(std::uint64_t word) {
  auto& lock = record();
  auto* nested = nested_of(owner_in(word));
  const auto dead = owner_in(word);
  const Owner next = nested && nested->parent.load() ? nested->parent.load() : free_after_death;
  if (!lock.word.compare_exchange_strong(word, with_owner(word, next))) return false;
  if (nested) {
    auto owner = dead;
    nested->owner.compare_exchange_strong(owner, 0);
  }
  lock.releases.fetch_add(1);
  if (word & contended) is_free(next) ? wake_first() : wake_all();
  return true;
}

bool RLock::free_if_ended(Owner ended_job) {
  auto& lock = record();
  for (bool freed = false;;) {
    const auto word = lock.word.load();
    const auto owner = owner_in(word);
    if (is_free(owner)) return freed;
    const bool of_job =
        ended_job && (owner == ended_job || (lock.job_of.load() == owner && lock.job.load() == ended_job));
    if (!of_job && !has_ended(owner, Look::thorough)) return freed;
    freed = clear_ended(word) || freed;
  }
}

RLock::State RLock::state() const {
  auto& lock = record();
  State state;
  auto owner = owner_in(lock.word.load());
  for (std::size_t i = 0; i <= LockRecord::nested_max && !is_free(owner); ++i) {
    state.owner = owner;
    const auto* nested = nested_of(owner);
    state.depth += nested ? nested->depth.load() : std::max<std::uint64_t>(1, lock.depth.load());
    owner = nested ? nested->parent.load() : 0;
  }
  if (state.owner && lock.job_of.load() == state.owner) state.job = lock.job.load();
  for (const auto& place : lock.waiters) {
    const auto waiter = place.owner.load();
    if (waiter && is_alive(waiter)) ++state.waiters;
  }
  return state;
}

// Who entered inside of whom

LockRecord::Nested* RLock::nested_of(Owner owner) const {
  for (auto& nested : record().nested) {
    if (nested.owner.load(std::memory_order_relaxed) == owner) return &nested;
  }
  return nullptr;
}

/// The one in the chain from the word down whose parent this is.
LockRecord::Nested* RLock::inside_of(Owner parent) const {
  auto owner = owner_in(record().word.load());
  for (std::size_t i = 0; i < LockRecord::nested_max; ++i) {
    auto* nested = is_free(owner) ? nullptr : nested_of(owner);
    if (nested == nullptr) return nullptr;
    if (nested->parent.load() == parent) return nested;
    owner = nested->parent.load();
  }
  return nullptr;
}

bool RLock::is_in_chain(const LockRecord::Nested& entry) const {
  auto owner = owner_in(record().word.load());
  for (std::size_t i = 0; i < LockRecord::nested_max && !is_free(owner); ++i) {
    const auto* nested = nested_of(owner);
    if (nested == &entry) return true;
    owner = nested ? nested->parent.load() : 0;
  }
  return false;
}

Owner RLock::base_of_chain() const {
  auto owner = owner_in(record().word.load());
  for (std::size_t i = 0; i < LockRecord::nested_max; ++i) {
    const auto* nested = is_free(owner) ? nullptr : nested_of(owner);
    if (nested == nullptr) break;
    owner = nested->parent.load();
  }
  return is_free(owner) ? 0 : owner;
}

// The line

LockRecord::Waiter* RLock::sit_down(Owner self) {
  auto& lock = record();
  for (const bool last_try : {false, true}) {
    for (auto& place : lock.waiters) {
      std::uint64_t empty = 0;
      if (place.owner.load(std::memory_order_relaxed) || !place.owner.compare_exchange_strong(empty, self))
        continue;
      step("lock waiter sits");
      place.ticket.store(++lock.next_ticket);
      lock.word.fetch_or(contended);
      return &place;
    }
    if (!last_try) clear_dead_waiters();
  }
  return nullptr;
}

void RLock::stand_up(LockRecord::Waiter* place) {
  if (place == nullptr) return;
  place->ticket.store(0);
  place->owner.store(0);
}

LockRecord::Waiter* RLock::first_waiter() const {
  LockRecord::Waiter* first = nullptr;
  std::uint64_t lowest = 0;
  for (auto& place : record().waiters) {
    const auto ticket = place.ticket.load();
    if (ticket && place.owner.load() && (first == nullptr || ticket < lowest))
      first = &place, lowest = ticket;
  }
  return first;
}

void RLock::clear_dead_waiters() {
  const auto self = this_thread();
  for (auto& place : record().waiters) {
    auto waiter = place.owner.load();
    if (waiter == 0 || waiter == self || is_alive(waiter)) continue;
    // In its own name first, so that of two who clear one does it, and if that one dies the next finds a dead
    // one.
    if (!place.owner.compare_exchange_strong(waiter, self)) continue;
    place.ticket.store(0);
    place.owner.store(0);
  }
}

void RLock::wake_first() {
  auto& lock = record();
  while (auto* first = first_waiter()) {
    const auto waiter = first->owner.load();
    if (waiter && waiter != this_thread() && !is_alive(waiter)) {
      clear_dead_waiters();
      continue;
    }
    first->wake.fetch_add(1);
    wake_word(first->wake, 1, WordScope::shared);
    return;
  }
  // Nobody. Who sits down meanwhile looks at the word after its place is taken.
  for (const Owner free : {Owner{0}, free_after_death}) {
    auto word = free << 1 | contended;
    lock.word.compare_exchange_strong(word, free << 1);
  }
}

void RLock::wake_all() {
  for (auto& place : record().waiters) {
    if (place.owner.load() == 0) continue;
    place.wake.fetch_add(1);
    wake_word(place.wake, 1, WordScope::shared);
  }
}

}  // namespace tine::shared
