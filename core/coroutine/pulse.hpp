#pragma once
#include <atomic>
#include <cstdint>

namespace tine {

/// What a thread of tasks tells whoever watches it, another process included: written by that thread at each
/// switch, by single stores.
struct Pulse {
  /// 0: no task runs. Else the number of the switch, shifted by label_bits, and the label of the task that
  /// runs: while the word stays the same, that task has not given way.
  std::atomic<std::uint64_t> turn{0};
  std::atomic<std::uint32_t> tasks{0};  ///< that have not ended
  std::atomic<std::uint32_t> ready{0};  ///< of these, the one that runs and those that could

  static constexpr unsigned label_bits = 16;
  static std::uint32_t label_of(std::uint64_t turn) { return turn & ((1u << label_bits) - 1); }
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

}  // namespace tine
