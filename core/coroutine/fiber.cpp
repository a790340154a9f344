#include "core/coroutine/fiber.hpp"

#include <boost/context/preallocated.hpp>
#include <boost/context/protected_fixedsize_stack.hpp>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

namespace tine {
namespace {

constexpr std::size_t stack_bytes = 256u << 10;
thread_local Fiber* running = nullptr;

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

}  // namespace

Fiber::Fiber(std::function<void()> body) {
  boost::context::protected_fixedsize_stack allocator(stack_bytes);
  const auto stack = allocator.allocate();
  stack_size_ = stack.size;
  stack_bottom_ = static_cast<const char*>(stack.sp) - stack.size;
  own_ = boost::context::fiber(std::allocator_arg, boost::context::preallocated(stack.sp, stack.size, stack),
                               allocator,
                               [this, body = std::move(body)](boost::context::fiber&& caller) mutable {
                                 after_switch(nullptr, &caller_bottom_, &caller_size_);
                                 caller_ = std::move(caller);
                                 body();
                                 body = nullptr;  // what it held goes before the fiber does
                                 ended_ = true;
                                 before_switch(nullptr, caller_bottom_, caller_size_);
                                 return std::move(caller_);
                               });
}

Fiber* Fiber::current() { return running; }

void Fiber::spawn(std::function<void()> body) { (new Fiber(std::move(body)))->resume(); }

void Fiber::resume() {
  Fiber* const before = running;
  running = this;
  void* fake_stack = nullptr;
  before_switch(&fake_stack, stack_bottom_, stack_size_);
  own_ = std::move(own_).resume();
  after_switch(fake_stack, nullptr, nullptr);
  running = before;
  if (ended_) delete this;
}

void Fiber::park() {
  Fiber* const self = running;
  before_switch(&self->fake_stack_, self->caller_bottom_, self->caller_size_);
  self->caller_ = std::move(self->caller_).resume();
  after_switch(self->fake_stack_, &self->caller_bottom_, &self->caller_size_);
}

}  // namespace tine
