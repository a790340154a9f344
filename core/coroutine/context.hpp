#pragma once
#include <cstddef>
#include <memory>

#include "core/coroutine/stack.hpp"

namespace tine {

/// One line of execution of a thread: the thread's own, or one with a stack of its own. Exactly one of a
/// thread's contexts runs; the others stand where they left. Each keeps its errno and the exceptions it has
/// in flight or caught, so `throw;` after a switch throws what was caught before it. A context never moves
/// to another thread, and must not be left while it holds a mutex that others of the thread take.
class Context {
 public:
  /// What runs on the new stack. It must not throw; it returns the context that goes on at its end.
  using Entry = Context* (*)(void* argument);

  Context(Entry entry, void* argument);  ///< Errors: std::bad_alloc
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context();  ///< gives the stack back: nothing on it is unwound, so it should have ended or never begun

  static Context& current();
  /// Leaves the running context and goes on in this one, which must not be it. Returns when somebody enters
  /// the one that was left.
  void enter();

  /// greenlet.cpp's: the greenlet that runs here, and what keeps the root of them.
  void* greenlet = nullptr;
  std::shared_ptr<void> local;

 private:
  Context() = default;  ///< the thread's own
  static void jump(Context& from, Context& to, void** fake_stack);
  friend struct Arrival;
  friend struct ThreadContext;

  void* position_ = nullptr;  ///< where it stands; nullptr while it runs
  Entry entry_ = nullptr;
  void* argument_ = nullptr;
  Stack stack_;
  int errno_ = 0;
  struct Exceptions {  ///< __cxa_eh_globals of the Itanium C++ ABI
    void* caught = nullptr;
    unsigned int uncaught = 0;
  } exceptions_;
  /// What the address sanitizer is told at each switch; unused without it.
  const void* bottom_ = nullptr;
  std::size_t size_ = 0;
  void* fake_stack_ = nullptr;
};

}  // namespace tine
