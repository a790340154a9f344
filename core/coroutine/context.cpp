#include "core/coroutine/context.hpp"

#include <cxxabi.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <new>

namespace tine {

/// The thread's own. The main thread's is still there when the program's statics go, greenlets among them.
struct Context::OfThread {
  alignas(Context) char memory[sizeof(Context)];
  Context* context = nullptr;
  ~OfThread() {
    if (::gettid() != ::getpid()) context->~Context();
  }
};

Context& Context::begin_thread() {
  static thread_local OfThread thread;
  if (!thread.context) thread.context = new (thread.memory) Context;
  here_.exceptions = reinterpret_cast<Exceptions*>(abi::__cxa_get_globals());
  here_.error = &errno;
  here_.running = thread.context;
  return *here_.running;
}

void Context::first(boost::context::detail::transfer_t transfer) {
  arrived(transfer.fctx);
  Context& self = *here_.running;
  Context* const next = self.entry_(self.argument_);
  jump(self, *next, nullptr);
  std::abort();  // nobody enters a context that has ended
}

Context::Context(Entry entry, void* argument) : entry_(entry), argument_(argument), stack_(Stack::take()) {
  position_ = boost::context::detail::make_fcontext(stack_.top(), Stack::bytes, &Context::first);
  bottom_ = stack_.bottom;
  size_ = Stack::bytes;
}

Context::~Context() {
  local.reset();
  if (stack_.bottom) stack_.give_back();
}

}  // namespace tine
