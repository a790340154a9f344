#include "core/pool/call_ring.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <climits>

#include "core/base/bytes.hpp"
#include "core/base/file.hpp"
#include "core/pool/wait_word.hpp"

namespace tine {
namespace {

// A slot's state: what it is in the low byte, and above it the worker that began it; for an offer, its place
// in the line, so that a worker that was held up cannot take a later offer of the same slot out of turn: the
// holes that leaves would make the line longer than `order` is.
enum State : std::uint32_t { free_slot, offered, begun, value, error, died };
constexpr std::uint32_t by(State state, std::uint32_t worker) { return state | worker << 8; }
constexpr std::uint32_t offered_at(std::uint64_t place) {
  return offered | static_cast<std::uint32_t>(place) << 8;
}
constexpr State kind_of(std::uint32_t word) { return static_cast<State>(word & 0xff); }
constexpr std::uint32_t worker_of(std::uint32_t word) { return word >> 8; }
constexpr bool is_answered(std::uint32_t word) { return kind_of(word) >= value; }

}  // namespace

struct CallRing::Header {
  std::uint32_t workers, slots;                 ///< set when it is made
  alignas(64) std::atomic<std::uint64_t> tail;  ///< offers made so far
  std::atomic<std::uint32_t> leave;
  alignas(64) std::atomic<std::uint64_t> head;  ///< every offer before it was begun
  alignas(
      64) std::atomic<std::uint32_t> spinner;  ///< 1 + the one worker that looks instead of sleeping; 0: none
  alignas(64) std::atomic<std::uint32_t> reader_asleep;
  std::atomic<std::uint64_t> side_next;
  alignas(64) std::atomic<std::uint64_t> sleepers[workers_max / 64];  ///< a bit a worker
};

struct alignas(64) CallRing::Desk {
  std::atomic<std::uint32_t> wake;      ///< where its worker sleeps, while 0
  std::atomic<std::uint32_t> recalled;  ///< 1: its worker is to leave
};

struct alignas(64) CallRing::Slot {
  std::atomic<std::uint32_t> state;
  std::atomic<std::uint32_t> watched;  ///< 1: somebody sleeps on `state`
  Notice notice;
  std::uint64_t code, function;
  std::uint64_t request_bytes, request_at;  ///< `at`: in the side file, when too long for the slot
  std::uint64_t answer_bytes, answer_at;  ///< set before the side file is written, so that bury() can free it
  char bytes[inline_bytes_max];
};

void CallRing::Unmap::operator()(std::byte* memory) const { ::munmap(memory, bytes); }

std::size_t CallRing::bytes_of(std::uint32_t workers, std::uint32_t slots) {
  static_assert(sizeof(Slot) == 512 && std::atomic<std::uint64_t>::is_always_lock_free);
  return sizeof(Header) + workers * sizeof(Desk) + slots / 64 * sizeof(*answered_) + slots * sizeof(*order_) +
         64 + slots * sizeof(Slot);
}

Result<CallRing::Memory> CallRing::map(int fd, std::size_t bytes) {
  void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) return errno_error("map a call ring");
  return Memory(static_cast<std::byte*>(at), Unmap{bytes});
}

Result<CallRing> CallRing::create(std::uint32_t workers) {
  const std::uint32_t slots = std::max(slots_least, (2 * workers + 63) / 64 * 64);
  const std::size_t bytes = bytes_of(workers, slots);
  UniqueFd fd(::memfd_create("tine-calls", MFD_CLOEXEC));
  if (!fd) return errno_error("make a call ring");
  // Allocated now: a full machine is an error here, and not a SIGBUS later.
  if (const int code = reserve_range(fd.get(), 0, bytes)) {
    errno = code;
    return errno_error("make a call ring");
  }
  auto memory = map(fd.get(), bytes);
  if (!memory) return memory.error();
  auto* header = reinterpret_cast<Header*>(memory->get());
  header->workers = workers;
  header->slots = slots;
  UniqueFd bell(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!bell) return errno_error("make an eventfd");
  auto side = SideFile::create(header->side_next);
  if (!side) return side.error();
  return CallRing(std::move(*memory), std::move(fd), std::move(bell), std::move(*side), workers, slots);
}

Result<CallRing> CallRing::attach(std::vector<UniqueFd> descriptors) {
  auto head = map(descriptors.at(0).get(), sizeof(Header));
  if (!head) return head.error();
  const auto* seen = reinterpret_cast<const Header*>(head->get());
  const auto workers = seen->workers, slots = seen->slots;
  auto memory = map(descriptors[0].get(), bytes_of(workers, slots));
  if (!memory) return memory.error();
  auto side =
      SideFile::attach(std::move(descriptors.at(2)), reinterpret_cast<Header*>(memory->get())->side_next);
  return CallRing(std::move(*memory), std::move(descriptors[0]), std::move(descriptors[1]), std::move(side),
                  workers, slots);
}

// A fresh memfd is all zeros, which is the first value of every field.
CallRing::CallRing(Memory memory, UniqueFd fd, UniqueFd bell, SideFile side, std::uint32_t workers,
                   std::uint32_t slots)
    : memory_(std::move(memory)),
      fd_(std::move(fd)),
      bell_(std::move(bell)),
      side_(std::move(side)),
      workers_(workers),
      slots_(slots) {
  std::byte* at = memory_.get();
  header_ = reinterpret_cast<Header*>(at);
  desks_ = reinterpret_cast<Desk*>(at += sizeof(Header));
  answered_ = reinterpret_cast<std::atomic<std::uint64_t>*>(at += workers * sizeof(Desk));
  order_ = reinterpret_cast<std::atomic<std::uint32_t>*>(at += slots / 64 * sizeof(*answered_));
  at += slots * sizeof(*order_);
  at += (64 - reinterpret_cast<std::uintptr_t>(at) % 64) % 64;
  slot_ = reinterpret_cast<Slot*>(at);
  for (std::uint32_t i = slots; i > 0; --i) free_.push_back(i - 1);
}

// ---- the caller

Result<std::optional<std::uint32_t>> CallRing::offer(const CallRequest& request, Notice notice) {
  if (free_.empty()) return std::optional<std::uint32_t>{};
  const std::uint32_t index = free_.back();
  Slot& slot = slot_[index];
  if (request.arguments.size() <= inline_bytes_max) {
    request.arguments.copy(slot.bytes, inline_bytes_max);
  } else {
    slot.request_at = side_.reserve(request.arguments.size());
    if (auto written = side_.write(slot.request_at, request.arguments); !written) {
      side_.free(slot.request_at, request.arguments.size());
      return written.error();
    }
  }
  free_.pop_back();
  slot.notice = notice;
  slot.code = request.code;
  slot.function = request.function;
  slot.request_bytes = request.arguments.size();
  slot.answer_bytes = 0;
  slot.watched.store(0, std::memory_order_relaxed);
  const std::uint64_t tail = header_->tail.load(std::memory_order_relaxed);
  slot.state.store(offered_at(tail), std::memory_order_release);
  order_[tail % slots_].store(index, std::memory_order_relaxed);
  header_->tail.store(tail + 1);  // sequentially consistent, as the looks at who sleeps and who spins are
  // A worker that spins takes it without a system call; before it sleeps it looks again. It wakes the next.
  if (header_->spinner.load() == 0) wake_one();
  return std::optional<std::uint32_t>(index);
}

void CallRing::collect(std::vector<std::uint32_t>& answered) {
  for (std::uint32_t word = 0; word < slots_ / 64; ++word) {
    if (answered_[word].load() == 0) continue;
    for (std::uint64_t bits = answered_[word].exchange(0); bits != 0; bits &= bits - 1) {
      const std::uint32_t index = word * 64 + static_cast<std::uint32_t>(__builtin_ctzll(bits));
      const Slot& slot = slot_[index];
      // bury() may tell of an answer a second time: by then the slot can be free, or hold another call.
      if (is_answered(slot.state.load(std::memory_order_acquire)) && slot.notice == Notice::reader)
        answered.push_back(index);
    }
  }
}

CallAnswer CallRing::take_answer(std::uint32_t index) {
  Slot& slot = slot_[index];
  CallAnswer answer;
  switch (kind_of(slot.state.load(std::memory_order_acquire))) {
    case value:
      answer.kind = AnswerKind::value;
      break;
    case error:
      answer.kind = AnswerKind::error;
      break;
    default:
      answer.kind = AnswerKind::died;
  }
  if (slot.answer_bytes <= inline_bytes_max) {
    answer.bytes.assign(slot.bytes, slot.answer_bytes);
  } else {
    auto bytes = side_.read(slot.answer_at, slot.answer_bytes);
    side_.free(slot.answer_at, slot.answer_bytes);
    if (bytes)
      answer.bytes = std::move(*bytes);
    else
      answer = {AnswerKind::died, bytes.error().message()};
  }
  if (slot.request_bytes > inline_bytes_max) side_.free(slot.request_at, slot.request_bytes);
  slot.state.store(free_slot, std::memory_order_relaxed);
  free_.push_back(index);
  return answer;
}

void CallRing::wait_for_answer(std::uint32_t index, AdaptiveSpin& spin) const {
  Slot& slot = slot_[index];
  if (spin.until([&] { return is_answered(slot.state.load(std::memory_order_acquire)); })) return;
  for (;;) {
    slot.watched.store(1);
    const std::uint32_t seen = slot.state.load();
    if (is_answered(seen)) return;
    wait_word(slot.state, seen, WordScope::shared);
  }
}

void CallRing::die(std::uint32_t index, std::string_view why) {
  Slot& slot = slot_[index];
  if (slot.answer_bytes > inline_bytes_max) side_.free(slot.answer_at, slot.answer_bytes);
  slot.answer_bytes = why.copy(slot.bytes, inline_bytes_max);
  slot.state.store(died);
  announce(slot.notice, index);
}

void CallRing::bury(std::uint32_t worker, std::string_view why) {
  std::uint32_t token = worker + 1;
  header_->spinner.compare_exchange_strong(token, 0);
  header_->sleepers[worker / 64].fetch_and(~(1ull << worker % 64));
  for (std::uint32_t index = 0; index < slots_; ++index) {
    Slot& slot = slot_[index];
    const std::uint32_t word = slot.state.load();
    if (kind_of(word) < begun || kind_of(word) == died || worker_of(word) != worker) continue;
    if (is_answered(word))
      announce(slot.notice, index);  // it may have been killed before it could
    else
      die(index, why);
  }
  // It may have been woken for an offer that it did not take any more.
  if (has_offers()) wake_one();
}

void CallRing::bury_all(std::string_view why) {
  for (std::uint32_t index = 0; index < slots_; ++index) {
    const std::uint32_t word = slot_[index].state.load();
    if (is_answered(word))
      announce(slot_[index].notice, index);
    else if (kind_of(word) != free_slot)
      die(index, why);
  }
}

void CallRing::tell_to_leave() {
  header_->leave.store(1);
  for (std::uint32_t worker = 0; worker < workers_; ++worker) wake(worker);
}

void CallRing::recall(std::uint32_t worker) {
  desks_[worker].recalled.store(1);
  wake(worker);
}

void CallRing::clear_seat(std::uint32_t worker) {
  desks_[worker].recalled.store(0);
  // It may have been woken for an offer that it did not take any more.
  if (has_offers()) wake_one();
}

bool CallRing::has_begun(std::uint32_t worker) const {
  for (std::uint32_t index = 0; index < slots_; ++index)
    if (slot_[index].state.load() == by(begun, worker)) return true;
  return false;
}

std::optional<std::uint32_t> CallRing::runner_of(std::uint32_t slot) const {
  const std::uint32_t word = slot_[slot].state.load();
  return kind_of(word) == begun ? std::optional(worker_of(word)) : std::nullopt;
}

void CallRing::prepare_sleep() { header_->reader_asleep.store(1); }

bool CallRing::is_looked_at() const { return header_->spinner.load() != 0; }

bool CallRing::look_for_answer(AdaptiveSpin& spin) const {
  return spin.until([&] {
    return std::any_of(answered_, answered_ + slots_ / 64, [](const auto& bits) { return bits.load() != 0; });
  });
}

void CallRing::stay_awake() { header_->reader_asleep.store(0); }

void CallRing::drain_bell() {
  stay_awake();
  std::uint64_t count = 0;
  (void)!::read(bell_.get(), &count, sizeof count);
}

void CallRing::ring_bell() {
  const std::uint64_t one = 1;
  (void)!::write(bell_.get(), &one, sizeof one);
}

// ---- both

void CallRing::announce(Notice notice, std::uint32_t index) {
  if (notice == Notice::waiter) {
    // The waiter may have taken the answer already, and the slot be another call's: a wake too many, no more.
    if (slot_[index].watched.load() != 0) wake_word(slot_[index].state, INT_MAX, WordScope::shared);
    return;
  }
  answered_[index / 64].fetch_or(1ull << index % 64);
  if (header_->reader_asleep.load() != 0 && header_->reader_asleep.exchange(0) != 0) ring_bell();
}

void CallRing::wake(std::uint32_t worker) {
  desks_[worker].wake.store(1);
  wake_word(desks_[worker].wake, 1, WordScope::shared);
}

bool CallRing::wake_one() {
  for (std::uint32_t word = 0; word <= (workers_ - 1) / 64; ++word) {
    auto& sleepers = header_->sleepers[word];
    for (std::uint64_t bits = sleepers.load(); bits != 0; bits = sleepers.load()) {
      const auto bit = static_cast<std::uint32_t>(__builtin_ctzll(bits));
      if ((sleepers.fetch_and(~(1ull << bit)) & 1ull << bit) == 0) continue;
      wake(word * 64 + bit);
      return true;
    }
  }
  return false;
}

bool CallRing::has_offers() const { return header_->head.load() < header_->tail.load(); }

// ---- a worker

std::optional<std::uint32_t> CallRing::claim(std::uint32_t worker) {
  std::uint64_t at = header_->head.load();
  while (at < header_->tail.load()) {
    const std::uint32_t index = order_[at % slots_].load(std::memory_order_relaxed);
    std::uint32_t word = offered_at(at);
    const bool won = slot_[index].state.compare_exchange_strong(word, by(begun, worker));
    // Whoever took the offer at `at` may have been killed before it could move the head: all help.
    std::uint64_t head = at;
    header_->head.compare_exchange_strong(head, at + 1);
    if (won) {
      // More than one offer: another worker can be of use. It does the same in turn.
      if (has_offers() && header_->spinner.load() == 0) wake_one();
      return index;
    }
    at = std::max(at + 1, head);
  }
  return std::nullopt;
}

std::optional<std::uint32_t> CallRing::begin(std::uint32_t worker, AdaptiveSpin& spin) {
  auto& sleepers = header_->sleepers[worker / 64];
  const std::uint64_t mine = 1ull << worker % 64;
  const auto& recalled = desks_[worker].recalled;
  for (;;) {
    if (recalled.load() != 0) return std::nullopt;
    if (const auto index = claim(worker)) return index;
    if (header_->leave.load() != 0) return std::nullopt;

    // One spins, or many idle workers would take the CPUs from those that work.
    std::uint32_t nobody = 0;
    if (header_->spinner.compare_exchange_strong(nobody, worker + 1)) {
      const bool found =
          spin.until([&] { return has_offers() || header_->leave.load() != 0 || recalled.load() != 0; });
      header_->spinner.store(0);
      if (found) continue;
    }
    desks_[worker].wake.store(0);
    sleepers.fetch_or(mine);
    if (!has_offers() && header_->leave.load() == 0 && recalled.load() == 0)
      wait_word(desks_[worker].wake, 0, WordScope::shared);
    sleepers.fetch_and(~mine);
  }
}

Status CallRing::read_request(std::uint32_t index, Taken& taken) const {
  const Slot& slot = slot_[index];
  taken.slot = index;
  taken.code = slot.code;
  taken.function = slot.function;
  taken.arguments = {slot.bytes, slot.request_bytes};
  if (slot.request_bytes <= inline_bytes_max) return ok();
  auto bytes = side_.read(slot.request_at, slot.request_bytes);
  if (!bytes) return bytes.error();
  taken.long_arguments = std::move(*bytes);
  taken.arguments = taken.long_arguments;
  return ok();
}

Status CallRing::answer(std::uint32_t index, AnswerKind kind, std::string_view bytes) {
  Slot& slot = slot_[index];
  if (bytes.size() <= inline_bytes_max) {
    slot.answer_bytes = bytes.copy(slot.bytes, inline_bytes_max);
  } else {
    slot.answer_at = side_.reserve(bytes.size());
    slot.answer_bytes = bytes.size();
    if (auto written = side_.write(slot.answer_at, bytes); !written) {
      side_.free(slot.answer_at, bytes.size());
      slot.answer_bytes = 0;
      return written;
    }
  }
  const std::uint32_t worker = worker_of(slot.state.load(std::memory_order_relaxed));
  const Notice notice = slot.notice;  // the slot is the caller's again with the next store
  slot.state.store(by(kind == AnswerKind::value ? value : error, worker));
  announce(notice, index);
  return ok();
}

std::string encode_error(std::string_view type, std::string_view message) {
  ByteWriter out;
  out.string(type);
  out.string(message);
  return out.take();
}

void decode_error(std::string_view bytes, std::string& type, std::string& message) {
  ByteReader in(bytes);
  type = in.string();
  message = in.string();
}

}  // namespace tine
