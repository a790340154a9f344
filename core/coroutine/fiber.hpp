#pragma once
#include <functional>
#include <utility>

#include "core/coroutine/context.hpp"

namespace tine {

/// A stackful coroutine for a loop that somebody else runs (tined's sessions on Asio). It never moves to
/// another thread, and must not park while it holds a mutex.
class Fiber {
 public:
  /// Runs `body` at once, until it first parks. The fiber frees itself when `body` returns; `body` must not
  /// throw.
  static void spawn(std::function<void()> body);
  /// The fiber that is running; nullptr outside of any.
  static Fiber* current() { return running_; }
  /// Gives way to whoever resumed this fiber, until resume() is called again.
  static void park() { running_->resumer_->enter(); }
  /// Goes on where the fiber parked. Call it from outside of it.
  void resume() {
    Fiber* const before = std::exchange(running_, this);
    resumer_ = &Context::current();
    context_.enter();
    running_ = before;
    if (ended_) delete this;
  }

 private:
  explicit Fiber(std::function<void()> body) : body_(std::move(body)), context_(&Fiber::run, this) {}
  static Context* run(void* self);
  static thread_local constinit inline Fiber* running_ = nullptr;
  std::function<void()> body_;
  Context context_;
  Context* resumer_ = nullptr;
  bool ended_ = false;
};

}  // namespace tine
