#pragma once
#include <atomic>
#include <cstdint>
#include <string>
#include <tine/pool_core.hpp>

#include "core/pool/call_ring.hpp"

namespace tine::pool_detail {

/// Written by the pool's threads until `ready` is 1, and by nobody afterwards.
struct Call::State {
  Order order;
  Ending ending;
  const Core* pool;
  std::uint64_t generation;  ///< of the process that made it
  AnswerKind kind = AnswerKind::died;
  std::string bytes;
  std::atomic<std::uint32_t> ready{0};  ///< waiters sleep on it; 2: somebody does
};

/// Whose callbacks this thread runs.
extern thread_local const Core* callbacks_of_this_thread;

/// The answer's bytes, or what became of the call as an exception.
std::string_view value_of(AnswerKind kind, std::string_view bytes);

}  // namespace tine::pool_detail
