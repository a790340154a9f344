#pragma once
#include <boost/context/fiber.hpp>
#include <cstddef>
#include <functional>

namespace tine {

/// A stackful coroutine of one thread: 256 KiB of stack behind a guard page, of which only touched pages
/// cost. It never moves to another thread, and must not park while it holds a mutex.
class Fiber {
 public:
  /// Runs `body` at once, until it first parks. The fiber frees itself when `body` returns; `body` must not
  /// throw.
  static void spawn(std::function<void()> body);
  /// The fiber that is running; nullptr outside of any.
  static Fiber* current();
  /// Gives way to whoever resumed this fiber, until resume() is called again.
  static void park();
  /// Goes on where the fiber parked. Call it from outside of it.
  void resume();

 private:
  explicit Fiber(std::function<void()> body);
  boost::context::fiber own_;
  boost::context::fiber caller_;
  bool ended_ = false;
  /// What the address sanitizer is told at each switch; unused without it.
  const void* stack_bottom_ = nullptr;
  const void* caller_bottom_ = nullptr;
  std::size_t stack_size_ = 0, caller_size_ = 0;
  void* fake_stack_ = nullptr;
};

}  // namespace tine
