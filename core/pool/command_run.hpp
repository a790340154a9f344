#pragma once
#include <sys/resource.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

#include "core/base/unique_fd.hpp"
#include "core/job/job.hpp"
#include "core/process/memory_group.hpp"
#include "core/process/spawn.hpp"

namespace tine {

/// The end of a job whose command did not start.
void fail_to_start(Outcome& outcome, const ExecFailure& failure);

/// One command under way, kept by the process that started it: its time-out, its caller's pipe, its end.
/// Driven by the owner's poll(2) loop. The owner is a subreaper and has no other children.
class CommandRun {
 public:
  using Clock = std::chrono::steady_clock;

  /// `alive`: the caller's pipe, whose bytes are signals for the job's process group and whose end is the
  /// caller's death; none for a job that nobody holds. `group`: what bounds its memory, or nullptr.
  CommandRun(pid_t pid, UniqueFd alive, std::unique_ptr<MemoryGroup> group, double timeout_s,
             double kill_after_s);

  int alive_fd() const { return alive_.get(); }
  /// When tick() wants to be called.
  std::optional<Clock::time_point> deadline() const;
  void tick();
  /// After poll said that the caller's pipe is readable.
  void read_alive();
  /// TERM (and CONT, for who is stopped) to the whole tree, KILL after the time given; a negative one is the
  /// spec's.
  void cancel(double kill_after_s);
  void signal(int signal);  ///< to the main process
  /// STOP to the whole tree, and its time-out stands still; or CONT.
  void pause(bool paused);
  /// Its group, if it has one: switched on and off as daemons come and go.
  MemoryGroup* group() { return group_.get(); }
  /// Whether the main process has ended; does not wait.
  bool has_ended();
  /// Waits for the main process, kills what is left of its tree, and judges.
  void finish(Outcome& outcome);

 private:
  enum class Ending { none, timed_out, cancelled };
  void end_by(Ending ending, double kill_after_s);
  void reap(int options);
  pid_t pid_;
  bool is_reaped_ = false;
  std::optional<int> status_;  ///< of its end; none when it is reaped: nobody has seen it
  rusage usage_{};
  UniqueFd alive_;
  std::unique_ptr<MemoryGroup> group_;
  double kill_after_s_;
  Ending ending_ = Ending::none;
  std::optional<Clock::time_point> timeout_at_, kill_at_;
  std::optional<Clock::duration> timeout_left_;  ///< of a paused one
  bool is_paused_ = false;
  std::uint64_t oom_kills_before_;
};

}  // namespace tine
