#include <cxxabi.h>

#include <cstdio>
#include <cstdlib>

#include "core/coroutine/scheduler.hpp"

namespace tine {
namespace coroutine_detail {
namespace {

/// For tine's own waits: an exception must not leave a destructor that runs because of another one.
WaitFor if_throwing_is_allowed() { return {.interrupts = std::uncaught_exceptions() == 0}; }

void tell_of_lost(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const TaskKilled&) {
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tine: a task ended with an exception that nobody took: %s\n", error.what());
  } catch (...) {
    std::fprintf(stderr, "tine: a task ended with an exception that nobody took\n");
  }
}

void check_thread(const void* scheduler) {
  if (scheduler != Scheduler::existing())
    throw std::logic_error("a task is waited for in its own thread only");
}

}  // namespace

Instant instant_after(double nanoseconds) {
  const Instant present = now();
  if (!(nanoseconds > 0)) return present;
  return nanoseconds >= static_cast<double>(never - present) ? never
                                                             : present + static_cast<Instant>(nanoseconds);
}

struct WaitQueue::Node {
  Party* party;
  Node *before = nullptr, *next = nullptr;
};

struct WaitQueue::Link {
  WaitQueue& queue;
  Node& node;
  Link(WaitQueue& its_queue, Node& its_node) : queue(its_queue), node(its_node) {
    node.before = queue.last_;
    (queue.last_ ? queue.last_->next : queue.first_) = &node;
    queue.last_ = &node;
  }
  ~Link() {
    (node.before ? node.before->next : queue.first_) = node.next;
    (node.next ? node.next->before : queue.last_) = node.before;
  }
};

bool WaitQueue::wait(Instant deadline) {
  Scheduler& scheduler = Scheduler::here();
  Node node{&scheduler.running()};
  Woke woke;
  {
    const Link link(*this, node);
    woke = scheduler.wait(deadline, if_throwing_is_allowed());
  }
  if (woke == Woke::interrupted) node.party->throw_interrupt();
  return woke != Woke::timed_out;
}

bool WaitQueue::wait_uninterrupted() {
  Scheduler& scheduler = Scheduler::here();
  Node node{&scheduler.running()};
  const Link link(*this, node);
  try {
    scheduler.wait(never, {.interrupts = false});
    return true;
  } catch (const std::logic_error&) {
    return false;
  }
}

// One that has been woken already, for whatever reason, has not yet taken its node out.
void WaitQueue::wake_one() {
  for (Node* node = first_; node; node = node->next) {
    if (!node->party->waiting) continue;
    return node->party->scheduler.wake(*node->party);
  }
}

void WaitQueue::wake_all() {
  for (Node* node = first_; node; node = node->next) node->party->scheduler.wake(*node->party);
}

TaskState::~TaskState() {
  if (failure && !failure_was_seen) tell_of_lost(failure);
}

void TaskState::start() { Scheduler::here().start(shared_from_this()); }

bool TaskState::wait_for_end(Instant deadline) {
  if (ended) return true;
  check_thread(scheduler);
  while (!ended)
    if (!enders.wait(deadline)) break;
  return ended;
}

bool TaskState::kill(Instant deadline) {
  if (ended) return true;
  check_thread(scheduler);
  auto& target = *static_cast<Party*>(party);
  target.killed = true;
  if (&target == Scheduler::running_task()) {
    if (target.c_calls == 0 && std::uncaught_exceptions() == 0) target.throw_interrupt();
    return false;
  }
  target.interrupt();
  return wait_for_end(deadline);
}

void Joining::wait_uninterrupted(const AnyTask& task) {
  while (!task.ready() && task.state_->enders.wait_uninterrupted()) continue;
}

void TaskState::rethrow() {
  failure_was_seen = true;
  if (failure) std::rethrow_exception(failure);
}

void sleep_until(Instant when) {
  Scheduler& scheduler = Scheduler::here();
  if (scheduler.wait(when, if_throwing_is_allowed()) == Woke::interrupted)
    scheduler.running().throw_interrupt();
}

void yield() {
  Scheduler& scheduler = Scheduler::here();
  scheduler.yield();
  Party& self = scheduler.running();
  if (self.is_interrupted() && std::uncaught_exceptions() == 0) self.throw_interrupt();
}

CCalls::CCalls() : party_(Scheduler::existing() ? &Scheduler::existing()->running() : nullptr) {
  if (party_) ++static_cast<Party*>(party_)->c_calls;
}

CCalls::~CCalls() {
  if (party_) --static_cast<Party*>(party_)->c_calls;
}

void CCalls::end() {
  if (!party_) return;
  auto& party = *static_cast<Party*>(std::exchange(party_, nullptr));
  if (--party.c_calls == 0 && party.is_interrupted() && std::uncaught_exceptions() == 0)
    party.throw_interrupt();
}

}  // namespace coroutine_detail

struct Timeout::Guard : PendingTimeout {};

Timeout::Timeout(coroutine_detail::Instant when) : guard_(std::make_unique<Guard>()) {
  Scheduler& scheduler = Scheduler::here();
  guard_->party = &scheduler.running();
  guard_->when = when;
  guard_->fire = [](Timer& timer) {
    auto& guard = static_cast<Guard&>(timer);
    guard.expired = true;
    guard.party->interrupt();
  };
  guard_->party->timeouts.push_back(guard_.get());
  scheduler.timers().add(*guard_);
}

Timeout::~Timeout() {
  guard_->party->scheduler.timers().remove(*guard_);
  std::erase(guard_->party->timeouts, guard_.get());
}

bool Timeout::expired() const { return guard_->expired; }

CoroutinePool::~CoroutinePool() {
  for (const AnyTask& task : tasks_) task.kill(std::chrono::seconds(0));
  for (const AnyTask& task : tasks_) coroutine_detail::Joining::wait_uninterrupted(task);
}

}  // namespace tine
