#include "core/coroutine/fiber.hpp"

#include <boost/context/protected_fixedsize_stack.hpp>

namespace tine {
namespace {
constexpr std::size_t stack_bytes = 256u << 10;
thread_local Fiber* running = nullptr;
}  // namespace

Fiber::Fiber(std::function<void()> body)
    : own_(std::allocator_arg, boost::context::protected_fixedsize_stack(stack_bytes),
           [this, body = std::move(body)](boost::context::fiber&& caller) {
             caller_ = std::move(caller);
             body();
             ended_ = true;
             return std::move(caller_);
           }) {}

Fiber* Fiber::current() { return running; }

void Fiber::spawn(std::function<void()> body) { (new Fiber(std::move(body)))->resume(); }

void Fiber::resume() {
  Fiber* const before = running;
  running = this;
  own_ = std::move(own_).resume();
  running = before;
  if (ended_) delete this;
}

void Fiber::park() {
  Fiber* const self = running;
  self->caller_ = std::move(self->caller_).resume();
}

}  // namespace tine
