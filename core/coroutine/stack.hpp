#pragma once
#include <cstddef>

namespace tine {

/// Memory for one line of execution: 256 KiB, of which only touched pages cost, above a guard page: running
/// over its end is a SIGSEGV. thread_local caches keep what is given back, touched pages and all, for the
/// next taker: at most `cached_max` a thread.
struct Stack {
  static constexpr std::size_t bytes = 256u << 10;
  static constexpr std::size_t cached_max = 10'240;

  static Stack take();  ///< Errors: std::bad_alloc (memory, or vm.max_map_count: two maps a stack)
  void give_back();
  char* top() const { return bottom + bytes; }

  char* bottom = nullptr;
};

}  // namespace tine
