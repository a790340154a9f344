#include "core/coroutine/fiber.hpp"

namespace tine {

void Fiber::spawn(std::function<void()> body) { (new Fiber(std::move(body)))->resume(); }

Context* Fiber::run(void* argument) {
  auto* const self = static_cast<Fiber*>(argument);
  self->body_();
  self->body_ = nullptr;  // what it held goes before the fiber does
  self->ended_ = true;
  return self->resumer_;
}

}  // namespace tine
