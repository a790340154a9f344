#include "core/pool/pool_call.hpp"

#include <climits>
#include <stdexcept>
#include <tine/errors.hpp>
#include <utility>

#include "core/pool/fork_generation.hpp"
#include "core/pool/pool_worker.hpp"
#include "core/pool/wait_word.hpp"

namespace tine::pool_detail {

// A call's `ready` word.
enum : std::uint32_t { pending = 0, done = 1, awaited = 2 };

thread_local const Core* callbacks_of_this_thread = nullptr;

void CallQueue::push(std::shared_ptr<Call> call) {
  const std::lock_guard lock(mutex_);
  calls_.push_back(std::move(call));
  filled_.notify_one();
}

std::shared_ptr<Call> CallQueue::pop() {
  std::unique_lock lock(mutex_);
  filled_.wait(lock, [&] { return !calls_.empty(); });
  auto call = std::move(calls_.front());
  calls_.pop_front();
  return call;
}

Call::Call(Order order, Ending ending, const Core* pool)
    : state_(new State{std::move(order), std::move(ending), pool, fork_generation(), {}, {}, {}}) {}
Call::~Call() = default;

bool Call::ready() const { return state_->ready.load(std::memory_order_acquire) == done; }

bool Call::wait(Clock::time_point until) const {
  if (ready()) return true;
  if (state_->generation != fork_generation())
    throw std::logic_error("this process is a fork of the pool's: its calls end there");
  if (state_->ending.callback && callbacks_of_this_thread == state_->pool)
    throw std::logic_error("a callback cannot wait for a call whose callback comes after it");
  for (;;) {
    std::uint32_t word = pending;
    state_->ready.compare_exchange_strong(word, awaited);
    if (word == done) return true;
    if (!wait_word(state_->ready, awaited, WordScope::process, until)) return ready();
  }
}

bool Call::successful() const {
  if (!ready()) throw std::logic_error("the call has not ended");
  return state_->kind == AnswerKind::value;
}

std::string_view Call::value() const { return value_of(state_->kind, state_->bytes); }

std::string_view value_of(AnswerKind kind, std::string_view bytes) {
  if (kind == AnswerKind::value) return bytes;
  if (kind == AnswerKind::died) throw WorkerDied(std::string(bytes));
  std::string type, message;
  decode_error(bytes, type, message);
  throw RemoteError(type, message);
}

}  // namespace tine::pool_detail
