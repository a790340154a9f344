#include <stdexcept>
#include <utility>

#include "core/coroutine/context.hpp"
#include "core/tine/coroutine.hpp"

namespace tine {

/// A greenlet, or the root of them: a task's or the thread's own line of execution.
struct GreenletRef::Core : std::enable_shared_from_this<Core> {
  std::function<Json(Json)> body;  ///< a root has none
  std::shared_ptr<Core> parent;    ///< a root has none
  Core* root = this;
  Context* context = nullptr;  ///< nullptr: not begun, or dead
  std::unique_ptr<Context> own;
  bool is_dead = false;
  bool must_exit = false;        ///< its Greenlet is being destroyed
  Core* destroyer = nullptr;     ///< who goes on then when it ends
  std::shared_ptr<Core> itself;  ///< while it has a stack
  Json passed;                   ///< what its switch_to() returns, or
  std::exception_ptr thrown;     ///< throws

  ~Core() {
    // A chain of parents goes one by one, not by recursion.
    for (std::shared_ptr<Core> next = std::move(parent); next && next.use_count() == 1;)
      next = std::move(next->parent);
  }

  Json arrive() {
    if (thrown) std::rethrow_exception(std::exchange(thrown, nullptr));
    return std::move(passed);
  }
};

namespace {

using Core = GreenletRef::Core;

/// What a Context holds for its greenlets; marks a root dead with its context.
struct Root {
  std::shared_ptr<Core> core = std::make_shared<Core>();
  ~Root() {
    core->is_dead = true;
    core->context = nullptr;
  }
};

thread_local constinit Core* just_ended = nullptr;

/// The stack of the one that was left for good can be freed only from another one.
[[gnu::noinline]] void free_stack(Core& ended) {
  just_ended = nullptr;
  ended.own.reset();
  const std::shared_ptr<Core> last = std::move(ended.itself);
}
inline void free_ended() {
  if (just_ended) free_stack(*just_ended);
}

[[gnu::noinline]] void make_root(Context& context) {
  const auto root = std::make_shared<Root>();
  root->core->context = &context;
  context.local = root;
  context.greenlet = root->core.get();
}

inline Core& running_core() {
  Context& context = Context::current();
  if (!context.greenlet) make_root(context);
  return *static_cast<Core*>(context.greenlet);
}

Context* run(void* argument) {
  Core& self = *static_cast<Core*>(argument);
  Json result;
  std::exception_ptr failure;
  try {
    result = self.body(self.arrive());
  } catch (const GreenletExit&) {
  } catch (...) {
    failure = std::current_exception();
  }
  self.body = nullptr;
  self.is_dead = true;
  self.context = nullptr;
  Core* next = self.destroyer ? self.destroyer : self.parent.get();
  while (next->is_dead && next->parent) next = next->parent.get();
  if (next->is_dead) std::terminate();  // the task that made it has ended: nobody is left to go on
  next->passed = std::move(result);
  next->thrown = std::move(failure);
  just_ended = &self;
  return next->context;
}

void begin(Core& core) {
  core.own = std::make_unique<Context>(&run, &core);
  core.context = core.own.get();
  core.context->greenlet = &core;
  core.itself = core.shared_from_this();
}

/// Where `target` cannot just go on: who does instead; nullptr: the caller, with the value.
[[gnu::noinline]] Core* find_target(Core& self, Core* target, const std::exception_ptr& exception) {
  if (target->root != self.root)
    throw std::logic_error("a greenlet runs only in the task, and thread, that made it");
  if (self.must_exit) {
    if (std::uncaught_exceptions() == 0) throw GreenletExit();
    return nullptr;
  }
  if (exception && !target->context && !target->is_dead) {
    target->is_dead = true;
    target->body = nullptr;
  }
  while (target->is_dead && target->parent) target = target->parent.get();
  if (target == &self) {
    if (exception) std::rethrow_exception(exception);
    return nullptr;
  }
  if (!target->context) begin(*target);
  return target;
}

/// Gives what the running one was passed, once someone has come back to it. Throws what it was thrown.
[[gnu::noinline]] void take_passed(Json& result) {
  free_ended();
  result = running_core().arrive();
}

}  // namespace

// leave() and come_back() keep no register and call nothing where all is plain: a jump lets the processor
// begin nothing early, so each instruction at its sides counts.
void* GreenletRef::leave(Json* value) const {
  Context* const here = Context::running();
  Core* const target = core_.get();
  const Core* const self = here ? static_cast<Core*>(here->greenlet) : nullptr;
  const bool is_plain =
      self && target->root == self->root && !self->must_exit && target->context && target != self;
  if (!is_plain) [[unlikely]]
    return leave_otherwise(value);
  if (value) target->passed.swap(*value);
  return target->context->leave(*here);
}

[[gnu::noinline]] void* GreenletRef::leave_otherwise(Json* value) const {
  Core* const target = find_target(running_core(), core_.get(), nullptr);
  if (!target) return nullptr;
  if (value) target->passed.swap(*value);
  return target->context->leave(Context::current());
}

void GreenletRef::come_back(void* left_at, Json& result) {
  const Core& self = *static_cast<Core*>(Context::arrived(left_at).greenlet);
  if (just_ended || self.thrown || !self.passed.is_null()) take_passed(result);
}

Json GreenletRef::throw_into(std::exception_ptr exception) const {
  Core& self = running_core();
  Core* const target = find_target(self, core_.get(), exception);
  if (!target) return nullptr;
  target->thrown = std::move(exception);
  target->context->enter();
  Json result;
  take_passed(result);
  return result;
}

bool GreenletRef::dead() const { return core_->is_dead; }

GreenletRef GreenletRef::parent() const {
  if (!core_->parent) throw std::logic_error("it has no parent");
  return GreenletRef(core_->parent);
}

GreenletRef current_greenlet() { return GreenletRef(running_core().shared_from_this()); }

std::shared_ptr<Core> Greenlet::make(Body body) {
  Core& maker = running_core();
  auto core = std::make_shared<Core>();
  core->body = std::move(body);
  core->parent = maker.shared_from_this();
  core->root = maker.root;
  return core;
}

Greenlet::~Greenlet() {
  if (!core_ || !core_->context) return;
  Core& self = running_core();
  if (core_.get() == &self) return;  // it goes on to its end
  core_->must_exit = true;
  core_->destroyer = &self;
  core_->thrown = std::make_exception_ptr(GreenletExit());
  core_->context->enter();
  free_ended();
  // What its destructors threw, and what it returned, has nowhere to go.
  self.thrown = nullptr;
  self.passed = nullptr;
}

}  // namespace tine
