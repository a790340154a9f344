#include "core/shared/queue.hpp"

#include <algorithm>
#include <charconv>
#include <climits>
#include <thread>

#include "core/pool/wait_word.hpp"
#include "core/shared/job_mark.hpp"
#include "core/shared/step.hpp"

namespace tine::shared {
namespace {

/// A sleeper looks round so often: for a wake that died with its receiver, and for owners that ended.
constexpr std::chrono::milliseconds item_nap{100};

/// The mutex is waited for so long at least, whatever the deadline: that it is busy does not mean that there
/// is no item.
constexpr std::chrono::milliseconds mutex_grace{100};

/// A wake across CPUs costs 20 to 25 us; what comes within a few is cheaper waited for.
constexpr int spins_for_item = 200, spins_for_mutex = 40;

void pause() { __builtin_ia32_pause(); }

bool spinning_helps() {
  static const bool several = std::thread::hardware_concurrency() > 1;
  return several;
}

struct Receipt {
  std::uint64_t sequence = 0, deliveries = 0;
};

std::string to_text(const Receipt& receipt) {
  return std::to_string(receipt.sequence) + "." + std::to_string(receipt.deliveries);
}

Result<Receipt> parse_receipt(const std::string& text) {
  Receipt receipt;
  const char* end = text.data() + text.size();
  const auto [dot, first] = std::from_chars(text.data(), end, receipt.sequence);
  if (first == std::errc() && dot != end && *dot == '.') {
    const auto [rest, second] = std::from_chars(dot + 1, end, receipt.deliveries);
    if (second == std::errc() && rest == end) return receipt;
  }
  return make_error(Errc::usage, "'" + text + "' is no receipt; allowed: what take printed, as 12.1");
}

}  // namespace

Result<Queue> Queue::create(const Folder& folder, const std::string& name, std::uint64_t items_max) {
  auto segment = folder.create(Kind::queue, name, {bytes_at_first, folder.budget()}, [&](char* memory) {
    QueueHeap::initialise(memory, bytes_at_first, items_max);
  });
  if (!segment) return segment.error();
  return Queue(std::move(*segment), folder);
}

Result<Queue> Queue::anonymous(std::uint64_t items_max) {
  auto segment = Segment::anonymous(Kind::queue, {bytes_at_first, budget_bytes_default}, [&](char* memory) {
    QueueHeap::initialise(memory, bytes_at_first, items_max);
  });
  if (!segment) return segment.error();
  return Queue(std::move(*segment), std::nullopt);
}

Result<Queue> Queue::open(const Folder& folder, const std::string& name) {
  auto segment = folder.attach(Kind::queue, name);
  if (!segment) return segment.error();
  return Queue(std::move(*segment), folder);
}

Result<Queue> Queue::open_or_create(const Folder& folder, const std::string& name) {
  auto segment =
      folder.attach_or_create(Kind::queue, name, {bytes_at_first, folder.budget()},
                              [&](char* memory) { QueueHeap::initialise(memory, bytes_at_first, 0); });
  if (!segment) return segment.error();
  return Queue(std::move(*segment), folder);
}

QueueHeap::Grow Queue::grow() const {
  return [this](std::uint64_t bytes, const std::function<Status()>& take) {
    return folder_ ? folder_->within_budget(bytes, take) : take();
  };
}

Status Queue::lock(const Deadline& deadline) {
  if (auto good = segment_->check(); !good) return good;
  auto& mutex = heap_.record().mutex;
  auto taken = mutex.try_lock();
  // Held for well under a microsecond by the other side, as a rule.
  for (int i = 0; taken == RobustMutex::Taken::no && i < spins_for_mutex && spinning_helps(); ++i) {
    pause();
    taken = mutex.try_lock();
  }
  if (taken == RobustMutex::Taken::no)
    taken = mutex.lock_until(deadline ? std::max(*deadline, Clock::now() + mutex_grace) : deadline);
  if (taken == RobustMutex::Taken::yes) return ok();
  if (taken == RobustMutex::Taken::after_death) {
    // Not consistent before all is: who dies in here leaves it to the next.
    if (auto whole = heap_.recover(); !whole) return mutex.mark_consistent(), mutex.unlock(), whole;
    mutex.mark_consistent();
    return ok();
  }
  if (has_passed(deadline)) return make_error(Errc::timed_out, "the queue is in use");
  segment_->poison(Poison::mutex);
  return segment_->check();
}

void Queue::unlock_and_wake(std::uint64_t items, std::uint64_t room) {
  auto& queue = heap_.record();
  const auto announce = [](std::uint64_t count, std::atomic<std::uint32_t>& word,
                           const std::atomic<std::uint32_t>& sleepers) {
    const auto asleep = count ? sleepers.load(std::memory_order_relaxed) : 0;
    if (asleep) word.fetch_add(2, std::memory_order_relaxed);
    return asleep;
  };
  const auto getters = announce(items, queue.items_changed, queue.getters);
  const auto putters = announce(room, queue.space_changed, queue.putters);
  queue.mutex.unlock();
  // A put of several at once may be waited for: everybody looks whether there is room enough.
  const auto wake = [](std::uint64_t count, std::uint32_t asleep, std::atomic<std::uint32_t>& word,
                       std::atomic<std::uint32_t>& sleepers) {
    const int wanted = count < INT_MAX ? static_cast<int>(count) : INT_MAX;
    // Who fell asleep since wrote another number: only ours is taken back.
    if (wake_word(word, wanted, WordScope::shared) < wanted) sleepers.compare_exchange_strong(asleep, 0);
  };
  if (getters) wake(items, getters, queue.items_changed, queue.getters);
  if (putters) wake(INT_MAX, putters, queue.space_changed, queue.putters);
}

/// With the mutex held, which is released: sleeps until `word` changes.
Status Queue::sleep(std::atomic<std::uint32_t>& word, std::atomic<std::uint32_t>& sleepers,
                    const Deadline& deadline) {
  const auto seen = word.load();
  sleepers.store(seen + 1);
  heap_.record().mutex.unlock();
  step("queue sleeps");
  if (has_passed(deadline)) return make_error(Errc::timed_out, "not in time");
  wait_word(word, seen, WordScope::shared, sooner(deadline, item_nap));
  if (segment_->header().removed.load()) return make_error(Errc::absent, "the queue was removed");
  return ok();
}

/// Returns with the mutex held, and the first item's offset.
Result<std::uint64_t> Queue::lock_for_item(const Deadline& deadline) {
  auto& queue = heap_.record();
  bool may_spin = spinning_helps();
  for (;;) {
    if (auto locked = lock(deadline); !locked) return locked.error();
    return_dead_leases(0, queue.first == 0);
    if (queue.first) return queue.first;
    if (may_spin && !has_passed(deadline)) {
      const auto seen = queue.committed.load();
      queue.mutex.unlock();
      for (int i = 0; i < spins_for_item && queue.committed.load(std::memory_order_relaxed) == seen; ++i)
        pause();
      may_spin = false;
      continue;
    }
    may_spin = spinning_helps();
    if (auto slept = sleep(queue.items_changed, queue.getters, deadline); !slept) return slept.error();
  }
}

/// Returns with the mutex held.
Status Queue::lock_for_room(std::uint64_t count, const Deadline& deadline) {
  auto& queue = heap_.record();
  if (queue.items_max && count > queue.items_max)
    return make_error(Errc::usage, std::to_string(count) + " values at once; allowed: " +
                                       std::to_string(queue.items_max) + ", all that the queue may hold");
  for (;;) {
    if (auto locked = lock(deadline); !locked) return locked;
    if (!queue.items_max || queue.queued + count <= queue.items_max) return ok();
    if (auto slept = sleep(queue.space_changed, queue.putters, deadline); !slept) return slept;
  }
}

Status Queue::put(const std::vector<std::string>& values, Deadline deadline) {
  if (values.empty()) return ok();
  if (auto locked = lock_for_room(values.size(), deadline); !locked) return locked;
  auto& queue = heap_.record();
  const auto committed = queue.committed.load(std::memory_order_relaxed);
  std::vector<std::uint64_t> places;
  places.reserve(values.size());
  Status written = ok();
  for (const auto& value : values) {
    const auto place = heap_.write(committed + places.size() + 1, value, grow());
    if (!place) {
      written = place.error();
      break;
    }
    places.push_back(*place);
  }
  if (!written) {
    for (const auto place : places) heap_.release(place);
    queue.mutex.unlock();
    return written;
  }
  queue.committed.store(committed + places.size(), std::memory_order_release);
  step("queue committed");
  for (const auto place : places) heap_.link_queued(place);
  step("queue linked");
  unlock_and_wake(places.size(), 0);
  step("queue put");
  return ok();
}

Result<std::string> Queue::get(Deadline deadline) {
  const auto first = lock_for_item(deadline);
  if (!first) return first.error();
  std::string value(heap_.value(*first));
  step("queue read");
  heap_.release(*first);
  heap_.unlink_queued(*first);
  unlock_and_wake(0, heap_.record().items_max ? 1 : 0);
  return value;
}

Result<Queue::Lease> Queue::take(const LeaseOwner& owner, Deadline deadline) {
  if (owner.job && folder_) {
    if (auto marked = mark_job(folder_->path(), owner.job); !marked) return marked.error();
  }
  const auto first = lock_for_item(deadline);
  if (!first) return first.error();
  auto& block = heap_.at(*first);
  const auto deliveries = heap_.word(*first).deliveries() + 1;
  Lease lease{to_text({block.sequence, deliveries}), std::string(heap_.value(*first)), deliveries};
  block.owner = owner.owner;
  block.job = owner.job;
  block.witness = owner.witness;
  step("queue lease written");
  heap_.set_word(*first, BlockState::leased, deliveries);
  step("queue leased");
  heap_.unlink_queued(*first);
  heap_.link_lease(*first);
  unlock_and_wake(0, heap_.record().items_max ? 1 : 0);
  return lease;
}

/// With the mutex held, and still held after.
Result<std::uint64_t> Queue::find_lease(const std::string& text) {
  const auto receipt = parse_receipt(text);
  if (!receipt) return receipt.error();
  for (auto place = heap_.record().last_lease; place; place = heap_.at(place).previous) {
    if (heap_.at(place).sequence == receipt->sequence &&
        heap_.word(place).deliveries() == receipt->deliveries)
      return place;
  }
  return make_error(Errc::absent, "receipt " + text + " is not known; it may have gone back to the queue");
}

Status Queue::ack(const std::string& receipt) {
  if (auto locked = lock({}); !locked) return locked;
  const auto place = find_lease(receipt);
  if (place) {
    heap_.release(*place);
    heap_.unlink_lease(*place);
  }
  heap_.record().mutex.unlock();
  return place ? ok() : Status(place.error());
}

Status Queue::give_back(const std::string& receipt) {
  if (auto locked = lock({}); !locked) return locked;
  const auto place = find_lease(receipt);
  if (place) {
    heap_.unlink_lease(*place);
    heap_.set_word(*place, BlockState::queued, heap_.word(*place).deliveries());
    heap_.link_queued(*place);
  }
  unlock_and_wake(place ? 1 : 0, 0);
  return place ? ok() : Status(place.error());
}

/// With the mutex held. Asking the kernel for an owner costs microseconds: unless `always`, at most a tenth
/// of the time goes into it.
std::uint64_t Queue::return_dead_leases(Owner job, bool always) {
  if (!heap_.record().leased) return 0;
  const auto begin = Clock::now();
  if (!always && begin < leases_looked_at_ + 10 * look_cost_) return 0;
  const auto self = this_process();
  Owner known = self;
  bool known_lives = true;
  std::uint64_t returned = 0;
  for (auto place = heap_.record().first_lease; place;) {
    const auto next = heap_.at(place).next;
    const auto& block = heap_.at(place);
    const auto witness = is_job(block.owner) ? block.witness : block.owner;
    if (witness && witness != known) {
      known = witness;
      known_lives = is_alive(witness);
    }
    const bool ended = (witness && !known_lives) || (job && block.job == job);
    if (ended) {
      heap_.unlink_lease(place);
      heap_.set_word(place, BlockState::queued, heap_.word(place).deliveries());
      step("queue lease returned");
      heap_.link_queued(place);
      ++returned;
    }
    place = next;
  }
  leases_looked_at_ = Clock::now();
  look_cost_ = leases_looked_at_ - begin;
  return returned;
}

Result<std::uint64_t> Queue::return_leases(Owner job, Deadline deadline) {
  if (auto locked = lock(deadline); !locked) return locked.error();
  const auto returned = return_dead_leases(job, true);
  unlock_and_wake(returned, 0);
  return returned;
}

Result<std::uint64_t> Queue::size() {
  if (auto locked = lock({}); !locked) return locked.error();
  return_dead_leases(0, false);
  const auto size = heap_.record().queued;
  heap_.record().mutex.unlock();
  return size;
}

Result<std::uint64_t> Queue::clear() {
  if (auto locked = lock({}); !locked) return locked.error();
  std::uint64_t count = 0;
  for (auto& queue = heap_.record(); queue.first; ++count) {
    const auto first = queue.first;
    heap_.release(first);
    heap_.unlink_queued(first);
  }
  unlock_and_wake(0, count);
  return count;
}

Status Queue::verify(Deadline deadline) {
  if (auto locked = lock(deadline); !locked) return locked;
  auto whole = heap_.recover();
  heap_.record().mutex.unlock();
  return whole;
}

}  // namespace tine::shared
