#include "core/coroutine/context.hpp"

#include <cxxabi.h>
#include <unistd.h>

#include <boost/context/detail/fcontext.hpp>
#include <cerrno>
#include <cstdlib>
#include <new>
#include <utility>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

namespace tine {
namespace {

// The address sanitizer must know which stack it looks at, or a throw on a fiber looks like a wild pointer.
void before_switch([[maybe_unused]] void** fake_stack, [[maybe_unused]] const void* bottom,
                   [[maybe_unused]] std::size_t size) {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber(fake_stack, bottom, size);
#endif
}

void after_switch([[maybe_unused]] void* fake_stack, [[maybe_unused]] const void** bottom,
                  [[maybe_unused]] std::size_t* size) {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(fake_stack, bottom, size);
#endif
}

// Plain pointers: a thread_local with a constructor costs a check at each use.
thread_local Context* running = nullptr;
thread_local Context* left = nullptr;  ///< who was left by the switch that is under way
thread_local void* exceptions_home = nullptr;

}  // namespace

/// The thread's own. The main thread's is still there when the program's statics go, greenlets among them.
struct ThreadContext {
  alignas(Context) char memory[sizeof(Context)];
  Context& make() {
    exceptions_home = abi::__cxa_get_globals();
    return *new (memory) Context;
  }
};
struct ThreadEnd {
  Context* own = nullptr;
  ~ThreadEnd() {
    if (::gettid() != ::getpid()) own->~Context();
  }
};

struct Arrival {
  /// The other half of jump(), on the stack that was entered.
  static void arrived(void* left_at) {
    after_switch(running->fake_stack_, &left->bottom_, &left->size_);
    left->position_ = left_at;
    *static_cast<Context::Exceptions*>(exceptions_home) = running->exceptions_;
    errno = running->errno_;
  }

  static void first(boost::context::detail::transfer_t transfer) {
    arrived(transfer.fctx);
    Context& self = *running;
    Context* const next = self.entry_(self.argument_);
    Context::jump(self, *next, nullptr);
    std::abort();  // nobody enters a context that has ended
  }
};

Context::Context(Entry entry, void* argument) : entry_(entry), argument_(argument), stack_(Stack::take()) {
  position_ = boost::context::detail::make_fcontext(stack_.top(), Stack::bytes, &Arrival::first);
  bottom_ = stack_.bottom;
  size_ = Stack::bytes;
}

Context::~Context() {
  local.reset();
  if (stack_.bottom) stack_.give_back();
}

Context& Context::current() {
  if (!running) {
    static thread_local ThreadContext thread;
    running = &thread.make();
    static thread_local ThreadEnd end;
    end.own = running;
  }
  return *running;
}

void Context::enter() {
  Context& self = current();
  jump(self, *this, &self.fake_stack_);
}

void Context::jump(Context& from, Context& to, void** fake_stack) {
  from.errno_ = errno;
  from.exceptions_ = *static_cast<Exceptions*>(exceptions_home);
  left = &from;
  running = &to;
  before_switch(fake_stack, to.bottom_, to.size_);
  Arrival::arrived(boost::context::detail::jump_fcontext(std::exchange(to.position_, nullptr), nullptr).fctx);
}

}  // namespace tine
