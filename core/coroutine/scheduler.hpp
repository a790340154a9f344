#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/coroutine/context.hpp"
#include "core/coroutine/descriptor_waits.hpp"
#include "core/coroutine/pulse.hpp"
#include "core/coroutine/timer_heap.hpp"
#include "core/tine/coroutine.hpp"

namespace tine {

using coroutine_detail::TaskState;

Instant now();  ///< nanoseconds of CLOCK_MONOTONIC

/// Why a wait ended.
enum class Woke {
  told,         ///< what it waited for may be there: look again
  timed_out,    ///< its own deadline passed
  interrupted,  ///< something is to be thrown into the party: throw_interrupt()
  signalled,    ///< a signal handler of the program ran
};

/// What may end a wait besides being told and its deadline.
struct WaitFor {
  bool interrupts = true;  ///< kill and Timeout
  /// A signal: as the kernel treats a call that it restarts only for SA_RESTART, or never restarts.
  enum class Signals { ignored, unless_restarting, always } signals = Signals::ignored;
};

/// Who can wait: a task, or the thread's own program outside of every task. Lives in its thread only.
struct Party {
  explicit Party(Scheduler& its_scheduler);
  Scheduler& scheduler;
  std::shared_ptr<TaskState> task;   ///< nullptr: the thread's own program
  std::unique_ptr<Context> context;  ///< a task's, once it has begun
  Context* place = nullptr;          ///< where it goes on: a greenlet of it may be what waits
  Party* queued_next = nullptr;      ///< in the run queue
  Party *alive_before = nullptr, *alive_next = nullptr;
  bool waiting = false;
  WaitFor waits_for;
  Woke woke = Woke::told;
  struct Deadline : Timer {
    Party* party = nullptr;
  } deadline;
  bool killed = false;                           ///< TaskKilled is still to be thrown
  int c_calls = 0;                               ///< depth
  std::uint32_t label = 0;                       ///< for the pulse; what it spawns has it too
  std::vector<struct PendingTimeout*> timeouts;  ///< the guards of this party, innermost last

  bool is_interrupted() const;
  /// Throws what is due. Call it only if is_interrupted().
  [[noreturn]] void throw_interrupt();
  /// Wakes it if it waits for interrupts.
  void interrupt();
};

/// A Timeout guard's record.
struct PendingTimeout : Timer {
  Party* party = nullptr;
  bool expired = false, thrown = false;
};

/// One a thread. While the thread's program waits, it resumes the tasks that are ready, and sleeps in epoll
/// until a timer, a descriptor or a helper thread makes one ready. A worker's main program waits for its
/// orders by wait_descriptor() outside of every task: its calls run meanwhile.
class Scheduler {
 public:
  /// The thread's, made if need be. Errors: std::system_error (EMFILE).
  static Scheduler& here();
  static Scheduler* existing();  ///< nullptr: none
  static Party* running_task();  ///< nullptr: outside of every task

  Party& running() { return *running_; }
  void start(const std::shared_ptr<TaskState>& task);
  /// Parks the running party until wake() or what `waits_for` names. An interrupt that is due ends it at
  /// once. Throws std::logic_error where the program would wait for ever.
  Woke wait(Instant deadline = never, WaitFor waits_for = {});
  /// Ends a party's wait, if it is still waiting.
  void wake(Party& party, Woke why = Woke::told);
  void yield();
  /// Waits until one of them is ready for what it names (poll's bits). Sets errno and gives no value where
  /// a descriptor cannot be waited for.
  std::optional<Woke> wait_descriptors(DescriptorWait* waits, std::size_t count, Instant deadline = never,
                                       WaitFor waits_for = {});
  /// The descriptor is about to be closed: who waits for it looks again.
  void closing(int fd) { descriptors_.closing(fd); }
  TimerHeap& timers() { return timers_; }

  std::size_t tasks() const { return tasks_; }              ///< that have not ended
  std::size_t tasks_ready() const { return ready_count_; }  ///< of these, not waiting
  /// From now on each switch is told there; `pulse` outlives the scheduler.
  void publish(Pulse& pulse) { pulse_ = &pulse; }

  ~Scheduler();

 private:
  Scheduler();
  void enqueue(Party& party);
  void run_until_program_wakes();
  void resume(Party& party);
  void poll(bool may_block);
  void tell_pulse(const Party* runs);
  void end(Party& party);
  void signal_came();
  friend struct Party;
  static Context* run_task(void* party);
  static void forget_in_child();
  static void deadline_passed(Timer& timer);

  Party program_{*this};
  Party* running_ = &program_;
  Context* hub_ = nullptr;  ///< where the program waits
  Party *queue_first_ = nullptr, *queue_last_ = nullptr;
  Party* alive_ = nullptr;
  std::size_t tasks_ = 0, ready_count_ = 0;
  unsigned since_poll_ = 0;
  Pulse* pulse_ = nullptr;
  std::uint64_t switches_ = 0;
  TimerHeap timers_;
  DescriptorWaits descriptors_;
  bool closing_ = false;
  bool left_behind_ = false;  ///< a fork's child has it, and never runs it
};

}  // namespace tine
