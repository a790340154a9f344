#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/unique_fd.hpp"
#include "core/pool/adaptive_spin.hpp"
#include "core/pool/side_file.hpp"

/// Calls from one process to the workers that it shares this memory with.
///
/// A call lies in a slot from its offer until its answer was taken; request and answer use the same place.
/// The slot's `state` is the only truth about it, and each step is one store or one compare-and-swap:
///
///     free --caller--> offered --the worker that wins--> begun by W --W--> value | error --caller--> free
///                                                          \--caller, when W is dead--> died
///
/// So a kill -9 at any point leaves one of these: `offered`, and another worker takes it; `begun by W`, and
/// this one call has died; answered, and the answer is whole. Everything else is a hint that can be stale
/// without harm: `head`, `order`, who sleeps, who spins, the bits of `answered`. The caller calls bury() for
/// each dead worker, which puts the hints right. There is no lock, so none can stay locked.
///
/// All workers take from the one line of offers: a free worker never waits beside a busy one that has calls
/// ahead. The offers that lie there ahead of need are what keeps workers from sleeping between calls.
///
/// Who writes what: `slot.state` as above; a slot's request fields the caller, while it is free; its answer
/// fields the worker that began it (the caller once that worker is dead); `tail`, `order`, `leave`: the
/// caller; `head`, `spinner`, `sleepers`, `desk.wake`, `answered`, `reader_asleep`: both sides, by atomic
/// steps.
namespace tine {

struct CallRequest {
  std::uint64_t code = 0;      ///< what is to be run; the two sides agree on the meaning
  std::uint64_t function = 0;  ///< likewise
  std::string_view arguments;  ///< any length
};

enum class AnswerKind : std::uint32_t { value, error, died };
struct CallAnswer {
  AnswerKind kind = AnswerKind::died;
  std::string bytes;  ///< of the value or the error; why, for `died`
};

/// The bytes of an error: type and message.
std::string encode_error(std::string_view type, std::string_view message);
void decode_error(std::string_view bytes, std::string& type, std::string& message);

enum class Notice : std::uint32_t {
  reader,  ///< the answer is announced by the bell, and collect() finds it
  waiter   ///< one thread sits in wait_for_answer()
};

class CallRing {
 public:
  static constexpr std::uint32_t workers_max = 1024;
  static constexpr std::uint32_t slots_least = 256;
  /// Arguments and answers up to this many bytes travel in the slot, longer ones through a SideFile.
  static constexpr std::size_t inline_bytes_max = 448;

  /// Workers that are forked later have it; to others its descriptors are sent. Errors: EMFILE, ENOMEM.
  static Result<CallRing> create(std::uint32_t workers);
  /// In a worker that got the descriptors() of the caller's ring. Errors: of mmap.
  static Result<CallRing> attach(std::vector<UniqueFd> descriptors);
  /// Three, in the order that attach() wants; the ring keeps them.
  std::vector<int> descriptors() const { return {fd_.get(), bell_.get(), side_.descriptor()}; }

  // The caller's side: one thread at a time, but for wait_for_answer(). Only in the process that offers.

  /// nullopt: no slot is free. Errors: of the side file; nothing is offered then.
  Result<std::optional<std::uint32_t>> offer(const CallRequest& request, Notice notice);
  /// Slots whose answer came, of those with Notice::reader. Each is told once.
  void collect(std::vector<std::uint32_t>& answered);
  /// Takes the answer out of an answered slot, and frees it.
  CallAnswer take_answer(std::uint32_t slot);
  /// Returns when the slot is answered. Any thread.
  void wait_for_answer(std::uint32_t slot, AdaptiveSpin& spin) const;
  /// `worker` is dead and reaped: the call that it had begun, if any, has died, for the reason given.
  void bury(std::uint32_t worker, std::string_view why);
  /// No worker lives any more, and none will: every unanswered call has died.
  void bury_all(std::string_view why);
  /// Workers leave when no offer is left.
  void tell_to_leave();
  /// One worker leaves as soon as it has answered what it has begun.
  void recall(std::uint32_t worker);
  /// A seat whose worker has left or was buried is free for another one.
  void clear_seat(std::uint32_t worker);
  /// Whether a call that this worker has begun is not answered yet.
  bool has_begun(std::uint32_t worker) const;
  /// Who has begun this call and not answered it. A snapshot.
  std::optional<std::uint32_t> runner_of(std::uint32_t slot) const;

  std::uint32_t slots() const { return slots_; }

  /// An eventfd that becomes readable when there is something to collect, if prepare_sleep() said that the
  /// reader is about to wait. For an event loop: prepare_sleep(), collect() once more; if that found nothing,
  /// wait, then drain_bell(); else stay_awake().
  int bell() const { return bell_.get(); }
  void prepare_sleep();
  /// Whether a worker looks for an offer instead of sleeping, so that an answer may come at once.
  bool is_looked_at() const;
  /// Looks for an answer for a while: true, there is something to collect. After stay_awake().
  bool look_for_answer(AdaptiveSpin& spin) const;
  void stay_awake();
  void drain_bell();
  void ring_bell();  ///< wakes the reader in any case. Any process, any thread

  // A worker's side. `worker` is its seat, from 0.

  struct Taken {
    std::uint32_t slot = 0;
    std::uint64_t code = 0, function = 0;
    /// In the slot, until the call is answered; or in `long_arguments`.
    std::string_view arguments;
    std::string long_arguments;
  };
  /// The next call; sleeps until there is one. nullopt: it is time to leave.
  std::optional<std::uint32_t> begin(std::uint32_t worker, AdaptiveSpin& spin);
  /// What the begun slot asks for. Errors: of the side file.
  Status read_request(std::uint32_t slot, Taken& taken) const;
  /// Errors: of the side file; the call is not answered then.
  Status answer(std::uint32_t slot, AnswerKind kind, std::string_view bytes);

 private:
  struct Header;
  struct Desk;
  struct Slot;
  struct Unmap {
    std::size_t bytes = 0;
    void operator()(std::byte* memory) const;
  };
  using Memory = std::unique_ptr<std::byte, Unmap>;

  static std::size_t bytes_of(std::uint32_t workers, std::uint32_t slots);
  static Result<Memory> map(int fd, std::size_t bytes);
  CallRing(Memory memory, UniqueFd fd, UniqueFd bell, SideFile side, std::uint32_t workers,
           std::uint32_t slots);
  bool wake_one();
  void wake(std::uint32_t worker);
  void announce(Notice notice, std::uint32_t index);
  void die(std::uint32_t index, std::string_view why);
  std::optional<std::uint32_t> claim(std::uint32_t worker);
  bool has_offers() const;

  Memory memory_;
  UniqueFd fd_;
  UniqueFd bell_;
  SideFile side_;
  std::uint32_t workers_, slots_;
  Header* header_;
  Desk* desks_;
  std::atomic<std::uint64_t>* answered_;  ///< a bit a slot
  std::atomic<std::uint32_t>* order_;     ///< slots in the order of their offers
  Slot* slot_;
  std::vector<std::uint32_t> free_;  ///< the caller's own
};

}  // namespace tine
