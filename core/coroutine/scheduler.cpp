#include "core/coroutine/scheduler.hpp"

#include <pthread.h>
#include <signal.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <stdexcept>

namespace tine {
namespace {

constexpr unsigned polled_every = 64;  ///< switches; what is ready may run that long before I/O is looked at
constexpr Instant farewell_ns = 1'000'000'000;

thread_local Scheduler* of_thread = nullptr;
thread_local Party* task_that_runs = nullptr;

/// Whether a handler of the program wants its system calls to end.
bool a_handler_does_not_restart() {
  for (int number = 1; number < NSIG; ++number) {
    if (number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL || number == SIGTRAP ||
        number == SIGABRT)
      continue;  // these come from the program's own instructions, never in a wait
    struct sigaction action {};
    if (::sigaction(number, nullptr, &action) == 0 && action.sa_handler != SIG_DFL &&
        action.sa_handler != SIG_IGN && !(action.sa_flags & SA_RESTART))
      return true;
  }
  return false;
}

}  // namespace

Instant now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

namespace {
thread_local std::unique_ptr<Scheduler> holder;  // ends it with its thread
}

Scheduler& Scheduler::here() {
  if (!of_thread) {
    Context::current();  // what is made first goes last
    holder.reset(new Scheduler);
    of_thread = holder.get();
  }
  return *of_thread;
}

Scheduler* Scheduler::existing() { return of_thread; }
Party* Scheduler::running_task() { return task_that_runs; }

Scheduler::Scheduler() {
  static const int once = ::pthread_atfork(nullptr, nullptr, &Scheduler::forget_in_child);
  (void)once;
}

// The child's copies of the tasks never run: they stay as they are, with all they hold.
void Scheduler::forget_in_child() {
  if (!of_thread) return;
  of_thread->descriptors_.close();
  of_thread->left_behind_ = true;
  static std::atomic<Scheduler*> left_behind;
  left_behind = holder.release();
  of_thread = nullptr;
  task_that_runs = nullptr;
}

Scheduler::~Scheduler() {
  for (Party* party = alive_; party; party = party->alive_next) {
    party->killed = true;
    party->interrupt();
  }
  closing_ = true;
  // Their cleaning up may wait too, but not for ever.
  if (alive_) wait(now() + farewell_ns, {.interrupts = false});
  of_thread = nullptr;  // close(), of its own epoll too, asks it
}

void Scheduler::enqueue(Party& party) {
  party.queued_next = nullptr;
  (queue_last_ ? queue_last_->queued_next : queue_first_) = &party;
  queue_last_ = &party;
  if (party.task) ++ready_count_;
}

void Scheduler::start(const std::shared_ptr<TaskState>& task) {
  auto* const party = new Party(*this);
  party->task = task;
  party->label = running_->label;
  task->party = party;
  task->scheduler = this;
  party->alive_next = alive_;
  if (alive_) alive_->alive_before = party;
  alive_ = party;
  ++tasks_;
  enqueue(*party);
}

void Scheduler::wake(Party& party, Woke why) {
  if (!party.waiting) return;
  party.waiting = false;
  party.woke = why;
  enqueue(party);
}

Woke Scheduler::wait(Instant deadline, WaitFor waits_for) {
  Party& self = *running_;
  if (waits_for.interrupts && self.is_interrupted()) return Woke::interrupted;
  self.waiting = true;
  self.waits_for = waits_for;
  if (deadline != never) {
    self.deadline.when = deadline;
    timers_.add(self.deadline);
  }
  if (self.task) {
    self.place = &Context::current();
    hub_->enter();
  } else {
    run_until_program_wakes();
  }
  timers_.remove(self.deadline);
  return self.woke;
}

void Scheduler::yield() {
  Party& self = *running_;
  if (!self.task && !queue_first_) poll(false);
  self.waiting = true;
  self.waits_for = {};
  wake(self);
  if (self.task) {
    self.place = &Context::current();
    hub_->enter();
  } else {
    run_until_program_wakes();
  }
}

std::optional<Woke> Scheduler::wait_descriptors(DescriptorWait* waits, std::size_t count, Instant deadline,
                                                WaitFor waits_for) {
  struct Guard {
    DescriptorWaits& table;
    DescriptorWait* waits;
    std::size_t count;
    ~Guard() {
      for (std::size_t i = 0; i < count; ++i) table.remove(waits[i]);
    }
  } guard{descriptors_, waits, count};
  for (std::size_t i = 0; i < count; ++i) {
    if (waits[i].fd < 0) continue;
    waits[i].party = running_;
    const int error = descriptors_.add(waits[i]);
    if (error == EPERM || error == EBADF) return Woke::told;  // always ready, or the call itself says so
    if (error) {
      errno = error;
      return std::nullopt;
    }
  }
  return wait(deadline, waits_for);
}

/// Returns when the program was woken, with the tasks before it in the queue having had their turn.
void Scheduler::run_until_program_wakes() {
  Context* const outer = std::exchange(hub_, &Context::current());
  for (;;) {
    if (!queue_first_) {
      if (pulse_) tell_pulse(nullptr);
      try {
        poll(true);
      } catch (...) {
        program_.waiting = false;
        timers_.remove(program_.deadline);
        hub_ = outer;
        throw;
      }
      continue;
    }
    Party* const party = queue_first_;
    queue_first_ = party->queued_next;
    if (!queue_first_) queue_last_ = nullptr;
    if (!party->task) break;
    --ready_count_;
    resume(*party);
    if (++since_poll_ >= polled_every) poll(false);
  }
  hub_ = outer;
}

void Scheduler::resume(Party& party) {
  if (!party.place) {
    if (party.killed) {
      party.killed = false;
      party.task->drop();
      party.task->failure = std::make_exception_ptr(TaskKilled());
      return end(party);
    }
    try {
      party.context = std::make_unique<Context>(&Scheduler::run_task, &party);
    } catch (const std::bad_alloc&) {
      party.task->drop();
      party.task->failure = std::current_exception();
      return end(party);
    }
    party.place = party.context.get();
  }
  running_ = &party;
  task_that_runs = &party;
  if (pulse_) tell_pulse(&party);
  party.place->enter();
  running_ = &program_;
  task_that_runs = nullptr;
  if (party.task->ended) end(party);
}

void Scheduler::tell_pulse(const Party* runs) {
  pulse_->turn.store(runs ? ++switches_ << Pulse::label_bits | runs->label : 0, std::memory_order_relaxed);
  pulse_->tasks.store(static_cast<std::uint32_t>(tasks_), std::memory_order_relaxed);
  pulse_->ready.store(static_cast<std::uint32_t>(ready_count_) + (runs ? 1 : 0), std::memory_order_relaxed);
}

Context* Scheduler::run_task(void* argument) {
  auto& party = *static_cast<Party*>(argument);
  TaskState& task = *party.task;
  try {
    task.run();
  } catch (...) {
    task.failure = std::current_exception();
  }
  if (party.scheduler.left_behind_) std::terminate();  // a forked child left the task's function
  task.ended = true;
  return party.scheduler.hub_;
}

void Scheduler::end(Party& party) {
  const std::shared_ptr<TaskState> task = std::move(party.task);
  (party.alive_before ? party.alive_before->alive_next : alive_) = party.alive_next;
  if (party.alive_next) party.alive_next->alive_before = party.alive_before;
  --tasks_;
  delete &party;
  task->party = nullptr;
  task->ended = true;
  task->enders.wake_all();
  if (closing_ && !alive_) wake(program_);
}

void Scheduler::poll(bool may_block) {
  since_poll_ = 0;
  if (may_block && timers_.empty() && descriptors_.empty())
    throw std::logic_error("nothing is left that could end this wait");
  if (may_block || !descriptors_.empty()) {
    const Instant deadline = !may_block ? 0 : timers_.empty() ? never : timers_.top().when;
    if (!descriptors_.poll(deadline)) signal_came();
  }
  if (timers_.empty()) return;
  const Instant time = now();
  while (!timers_.empty() && timers_.top().when <= time) {
    Timer& timer = timers_.top();
    timers_.remove(timer);
    timer.fire(timer);
  }
}

void Scheduler::signal_came() {
  using Signals = WaitFor::Signals;
  const bool without_restart = a_handler_does_not_restart();
  const auto tell = [&](Party& party) {
    const Signals signals = party.waits_for.signals;
    if (signals == Signals::always || (signals == Signals::unless_restarting && without_restart))
      wake(party, Woke::signalled);
  };
  for (Party* party = alive_; party; party = party->alive_next) tell(*party);
  tell(program_);
}

Party::Party(Scheduler& its_scheduler) : scheduler(its_scheduler) {
  deadline.party = this;
  deadline.fire = &Scheduler::deadline_passed;
}

void Scheduler::deadline_passed(Timer& timer) {
  Party& party = *static_cast<Party::Deadline&>(timer).party;
  party.scheduler.wake(party, Woke::timed_out);
}

bool Party::is_interrupted() const {
  return killed || std::any_of(timeouts.begin(), timeouts.end(),
                               [](const PendingTimeout* one) { return one->expired && !one->thrown; });
}

void Party::throw_interrupt() {
  if (std::exchange(killed, false)) throw TaskKilled();
  const auto due = std::find_if(timeouts.rbegin(), timeouts.rend(),
                                [](const PendingTimeout* one) { return one->expired && !one->thrown; });
  (*due)->thrown = true;
  throw TimeoutError();
}

void Party::interrupt() {
  if (waiting && waits_for.interrupts) scheduler.wake(*this, Woke::interrupted);
}

}  // namespace tine
