#pragma once
#include <boost/context/detail/fcontext.hpp>
#include <cstddef>
#include <memory>
#include <utility>

#include "core/coroutine/stack.hpp"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

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

  static Context& current() { return here_.running ? *here_.running : begin_thread(); }
  /// Leaves the running context and goes on in this one, which must not be it. Returns when somebody enters
  /// the one that was left.
  void enter() {
    Context& self = current();
    jump(self, *this, &self.fake_stack_);
  }
  /// enter() for who makes the jump itself: arrived(jump_fcontext(leave(from), nullptr).fctx), with nothing
  /// in between. `from` is the running one; arrived() returns it.
  void* leave(Context& from) { return depart(from, *this, &from.fake_stack_); }
  static Context& arrived(void* left_at);
  /// The running one, if the thread has had one yet.
  static Context* running() { return here_.running; }

  /// greenlet.cpp's: the greenlet that runs here, and what keeps the root of them.
  void* greenlet = nullptr;
  std::shared_ptr<void> local;

 private:
  struct Exceptions {  ///< __cxa_eh_globals of the Itanium C++ ABI
    void* caught = nullptr;
    unsigned int uncaught = 0;
  };
  struct OfThread;
  Context() = default;  ///< the thread's own
  static Context& begin_thread();
  static void first(boost::context::detail::transfer_t transfer);
  static void* depart(Context& from, Context& to, void** fake_stack);
  static void jump(Context& from, Context& to, void** fake_stack);
  static void before_switch(void** fake_stack, const void* bottom, std::size_t size);
  static void after_switch(void* fake_stack, const void** bottom, std::size_t* size);

  /// One for all, and plain: each thread_local has its address looked up, one with a constructor is checked.
  struct Thread {
    Context* running;
    int* error;
    Context* left;  ///< by the switch that is under way
    Exceptions* exceptions;
  };
  static thread_local constinit inline Thread here_{};

  void* position_ = nullptr;  ///< where it stands; nullptr while it runs
  Entry entry_ = nullptr;
  void* argument_ = nullptr;
  Stack stack_;
  int errno_ = 0;
  Exceptions exceptions_;
  /// What the address sanitizer is told at each switch; unused without it.
  const void* bottom_ = nullptr;
  std::size_t size_ = 0;
  void* fake_stack_ = nullptr;
};

// The switch is inline: the processor guesses each return after it wrong, so every call less counts.

// The address sanitizer must know which stack it looks at, or a throw on a fiber looks like a wild pointer.
inline void Context::before_switch([[maybe_unused]] void** fake_stack, [[maybe_unused]] const void* bottom,
                                   [[maybe_unused]] std::size_t size) {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber(fake_stack, bottom, size);
#endif
}

inline void Context::after_switch([[maybe_unused]] void* fake_stack, [[maybe_unused]] const void** bottom,
                                  [[maybe_unused]] std::size_t* size) {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(fake_stack, bottom, size);
#endif
}

/// The second half of jump(), on the stack that was entered.
inline Context& Context::arrived(void* left_at) {
  const Thread& here = here_;
  Context& self = *here.running;
  after_switch(self.fake_stack_, &here.left->bottom_, &here.left->size_);
  here.left->position_ = left_at;
  *here.exceptions = self.exceptions_;
  *here.error = self.errno_;
  return self;
}

inline void* Context::depart(Context& from, Context& to, void** fake_stack) {
  Thread& here = here_;
  from.errno_ = *here.error;
  from.exceptions_ = *here.exceptions;
  here.left = &from;
  here.running = &to;
  before_switch(fake_stack, to.bottom_, to.size_);
  return std::exchange(to.position_, nullptr);
}

inline void Context::jump(Context& from, Context& to, void** fake_stack) {
  arrived(boost::context::detail::jump_fcontext(depart(from, to, fake_stack), nullptr).fctx);
}

}  // namespace tine
