#include "core/coroutine/fiber.hpp"

#include <utility>

namespace tine {
namespace {
thread_local Fiber* running = nullptr;
}

Fiber* Fiber::current() { return running; }

void Fiber::spawn(std::function<void()> body) { (new Fiber(std::move(body)))->resume(); }

Context* Fiber::run(void* argument) {
  auto* const self = static_cast<Fiber*>(argument);
  self->body_();
  self->body_ = nullptr;  // what it held goes before the fiber does
  self->ended_ = true;
  return self->resumer_;
}

void Fiber::resume() {
  Fiber* const before = std::exchange(running, this);
  resumer_ = &Context::current();
  context_.enter();
  running = before;
  if (ended_) delete this;
}

void Fiber::park() { running->resumer_->enter(); }

}  // namespace tine
