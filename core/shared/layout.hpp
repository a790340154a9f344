#pragma once
#include <cstddef>
#include <cstdint>

#include "core/shared/owner.hpp"
#include "core/shared/robust_mutex.hpp"

/// Every byte of shared memory: who writes it, and what a kill -9 leaves of it. A change here changes
/// `layout_version` or `layout_hash`, and older memory is refused.
///
/// Each named structure lies in a file of its own below <state dir>/shared, SegmentHeader first, fallocated,
/// mapped shared. A dictionary is a folder: LMDB's two files, and `header`, a SegmentHeader alone. Anonymous
/// ones are memfds of the same layout. All of it lives as long as the machine's boot.
namespace tine::shared {

inline constexpr std::uint32_t layout_version = 1;
inline constexpr char segment_magic[8] = {'t', 'i', 'n', 'e', 's', 'h', 'm', '\n'};

enum class Kind : std::uint32_t { array = 1, queue = 2, lock = 3, dict = 4 };
constexpr const char* kind_name(Kind kind) {
  return kind == Kind::array ? "array" : kind == Kind::queue ? "queue" : kind == Kind::lock ? "lock" : "dict";
}

/// Why a structure is not to be trusted until it is made anew.
enum class Poison : std::uint32_t { none = 0, structure = 1, mutex = 2 };

/// Written by its creator before anybody else can see the file, but for the atomic fields.
struct SegmentHeader {
  char magic[8];
  std::uint32_t version;
  Kind kind;
  std::uint64_t layout_hash;
  char boot_id[40];  ///< with NUL; another: the machine crashed or was restarted meanwhile
  std::atomic<std::uint64_t>
      pid_namespace;                 ///< inode of the creator's; changed only while nobody else is attached
  std::atomic<std::uint64_t> bytes;  ///< of the file, all reserved; grows (queue), by the holder of its mutex
  std::uint64_t bytes_max;           ///< it never grows beyond; as much address space is mapped
  std::atomic<Poison> poison;        ///< once set it stays; by whoever finds damage
  std::atomic<std::uint32_t> removed;  ///< 1: its name is gone; waiters give up. By who unlinks it
};
inline constexpr std::size_t header_bytes = 256;
static_assert(sizeof(SegmentHeader) <= header_bytes);

/// Array. `count` elements of the type's C size follow at `array_data_offset`. An element is written by one
/// store, by the holder of `mutex`; anybody reads it without. A kill -9 leaves the old or the new value.
struct ArrayRecord {
  RobustMutex mutex;  ///< recursive: the array's own lock
  std::uint64_t count;
  char code;  ///< of c u b B h H i I l L f d
};
inline constexpr std::size_t array_data_offset = 512;
static_assert(header_bytes + sizeof(ArrayRecord) <= array_data_offset);

/// Queue. The heap from `queue_heap_offset` to header.bytes is blocks without a gap, each begun by its word
/// (BlockWord). All of it is written by the holder of `mutex`.
/// The truth is in `committed` and the blocks' words, each changed by one 64-bit store: a put writes its
/// blocks with sequences above `committed` and then raises it; get, take, ack and the return of a lease
/// change one word. Everything else (links, counts, rover) is derived, and computed again from the words when
/// a holder died.
struct QueueRecord {
  RobustMutex mutex;
  std::uint64_t items_max;               ///< 0: as many as fit
  std::atomic<std::uint64_t> committed;  ///< the last sequence that was put; blocks above it are garbage
  std::uint64_t queued, leased;          ///< derived: how many blocks
  std::uint64_t free_bytes;              ///< derived
  std::uint64_t first, last;  ///< derived: queued blocks in order of their sequence; offsets, 0: none
  std::uint64_t first_lease, last_lease;     ///< derived: leased blocks
  std::uint64_t rover;                       ///< derived: where the search for free space goes on
  std::atomic<std::uint32_t> items_changed;  ///< futex: rises when items come while somebody sleeps
  std::atomic<std::uint32_t> getters;  ///< asleep or about to be: a hint, set right when a wake finds nobody
  std::atomic<std::uint32_t> space_changed;  ///< futex: rises when room comes while somebody sleeps
  std::atomic<std::uint32_t> putters;        ///< as getters
};
inline constexpr std::size_t queue_heap_offset = 512;
static_assert(header_bytes + sizeof(QueueRecord) <= queue_heap_offset);

/// In LockRecord::word, where an owner is: nobody, and the last one ended while it held the lock. No task has
/// id 0.
inline constexpr Owner free_after_death = 1ull << 22;

enum class BlockState : std::uint64_t { free = 0, queued = 1, leased = 2 };
/// size in units of 16 bytes (32 bits), state (2), deliveries (30)
struct BlockWord {
  std::uint64_t bits;
  static BlockWord of(std::uint64_t bytes, BlockState state, std::uint64_t deliveries) {
    return {bytes / 16 << 32 | static_cast<std::uint64_t>(state) << 30 | (deliveries & ((1u << 30) - 1))};
  }
  std::uint64_t bytes() const { return (bits >> 32) * 16; }
  BlockState state() const { return static_cast<BlockState>(bits >> 30 & 3); }
  std::uint64_t deliveries() const { return bits & ((1u << 30) - 1); }
};

/// What begins each block of a queue's heap. A free one has the word alone.
struct Block {
  std::atomic<std::uint64_t> word;
  std::uint64_t next, previous;  ///< derived
  std::uint64_t sequence;        ///< rises with each put; a lease that comes back keeps it
  Owner owner, job, witness;     ///< of the lease: written before the word says leased
  std::uint64_t value_bytes;     ///< the value follows
};
static_assert(sizeof(Block) == 64);

/// Lock. No mutex guards it: each field is changed by one atomic operation, and who dies anywhere leaves a
/// dead owner or a dead waiter, which the living recognise and clear.
struct LockRecord {
  /// Owner << 1 | contended. Whose turn it is: the base owner, or who entered inside of it (nested); nobody:
  /// 0, or `free_after_death`. contended: some waiter has a place, so who frees it must look.
  std::atomic<std::uint64_t> word;
  /// The base owner, written by itself when the word is its own, before anything else may be believed of it.
  std::atomic<std::uint64_t> base;
  std::atomic<std::uint64_t> depth;  ///< of the base owner
  std::atomic<std::uint64_t>
      job;  ///< the base owner's attempt, 0: none; valid where job_of is the base owner
  std::atomic<std::uint64_t> job_of;
  std::atomic<std::uint64_t> witness;  ///< whose end is the end of a base owner that is a job; 0: unknown
  std::atomic<std::uint64_t> nonce;    ///< program_nonce() of the base owner: an exec'd program is another
  std::atomic<std::uint32_t> previous_died;  ///< the owner before this one ended while it held the lock
  std::atomic<std::uint32_t> releases;       ///< rises with each that somebody may have waited for
  std::atomic<std::uint64_t> next_ticket;
  RobustMutex job_mutex;  ///< makes `acquire` and `release` of jobs one after the other

  /// Who entered while `parent` held it (a `lock run` inside a `lock run`). By itself.
  struct Nested {
    std::atomic<std::uint64_t> owner;  ///< 0: empty
    std::atomic<std::uint64_t> parent, depth;
  };
  static constexpr std::size_t nested_max = 32;
  Nested nested[nested_max];

  /// A waiter's place. By the waiter; cleared by others when it is dead.
  struct Waiter {
    std::atomic<std::uint64_t> owner;   ///< 0: empty
    std::atomic<std::uint64_t> ticket;  ///< 0: not in the line yet. The lowest is first
    std::atomic<std::uint32_t> wake;    ///< futex: the lock was freed and it is your turn
    std::uint32_t unused;
  };
  static constexpr std::size_t waiters_max = 128;  ///< those beyond look again every few milliseconds
  Waiter waiters[waiters_max];
};
inline constexpr std::size_t lock_bytes = header_bytes + sizeof(LockRecord);

/// FNV-1a over what a compiler could lay out differently.
constexpr std::uint64_t hash_layout() {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const std::size_t number :
       {sizeof(pthread_mutex_t), sizeof(SegmentHeader), offsetof(SegmentHeader, bytes), sizeof(ArrayRecord),
        array_data_offset, sizeof(QueueRecord), queue_heap_offset, sizeof(Block), sizeof(LockRecord),
        LockRecord::nested_max, LockRecord::waiters_max, sizeof(wchar_t), sizeof(long)}) {
    hash = (hash ^ number) * 0x100000001b3;
  }
  return hash;
}

static_assert(std::atomic<std::uint64_t>::is_always_lock_free &&
              std::atomic<std::uint32_t>::is_always_lock_free);

}  // namespace tine::shared
