#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>

/// A futex word: 32 bits that a thread can sleep on while they keep a value.
namespace tine {

enum class WordScope {
  process,  ///< waiters and wakers are threads of this process
  shared,   ///< the word lies in memory shared with others
};

inline constexpr auto no_deadline = std::chrono::steady_clock::time_point::max();

/// Sleeps while `word` is `expected`. Returns false when the deadline has passed, else true: woken, changed,
/// or for no reason; the caller looks again. A killed waiter or waker leaves nothing behind.
bool wait_word(const std::atomic<std::uint32_t>& word, std::uint32_t expected, WordScope scope,
               std::chrono::steady_clock::time_point deadline = no_deadline);
/// How many were woken.
int wake_word(const std::atomic<std::uint32_t>& word, int waiters, WordScope scope);

}  // namespace tine
