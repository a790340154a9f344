#pragma once
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

/// What <tine/pool.hpp> stands on once types are bytes. Programs use Pool and AsyncResult.
namespace tine::pool_detail {

using Clock = std::chrono::steady_clock;

/// What a worker is to do. Addresses mean the same there, as workers are forks.
struct Order {
  /// Decodes the arguments, calls `function`, appends the encoded result.
  void (*code)(std::uintptr_t function, std::string_view arguments, std::string& result) = nullptr;
  std::uintptr_t function = 0;
  std::string arguments;
};

class Call;

/// Calls in the order of their ends.
class CallQueue {
 public:
  void push(std::shared_ptr<Call> call);
  std::shared_ptr<Call> pop();  ///< waits

 private:
  std::mutex mutex_;
  std::condition_variable filled_;
  std::deque<std::shared_ptr<Call>> calls_;
};

/// What happens with a call's end, beside its being ready.
struct Ending {
  std::function<void(std::string_view value)> callback;  ///< of a success; on the pool's callback thread
  std::shared_ptr<CallQueue> queue;                      ///< gets the call
};

class Core;

/// A call that was submitted. Its answer comes once, and stays. Any thread.
class Call {
 public:
  Call(Order order, Ending ending, const Core* pool);
  ~Call();
  bool ready() const;
  /// False when the time was over first. std::logic_error where it would wait for itself: in a fork of the
  /// pool's process, and in a callback for a call whose own callback comes later.
  bool wait(Clock::time_point until = Clock::time_point::max()) const;
  bool successful() const;  ///< std::logic_error while it is not ready
  /// Of a ready one: the result's bytes, or throws RemoteError, WorkerDied.
  std::string_view value() const;

 private:
  friend class Core;
  struct State;
  std::unique_ptr<State> state_;
};

class Core {
 public:
  /// Forks the pool's zygote, which forks the workers, and only then starts threads. Errors:
  /// std::invalid_argument, std::system_error.
  static std::shared_ptr<Core> start(unsigned workers);
  ~Core();

  /// Submits, waits, and gives back the result's bytes; throws as Call::value() does.
  std::string apply(Order order);
  std::shared_ptr<Call> submit(Order order, Ending ending = {});
  unsigned size() const;

  void close();
  void join();
  void terminate();
  bool is_foreign() const;  ///< this process is a fork of the one that made the pool

 private:
  friend class Call;
  struct State;
  explicit Core(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tine::pool_detail
