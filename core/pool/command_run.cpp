#include "core/pool/command_run.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "core/base/clock.hpp"
#include "core/base/file.hpp"
#include "core/process/oom_kills.hpp"
#include "core/process/process_tree.hpp"

namespace tine {
namespace {

CommandRun::Clock::time_point after(double seconds) {
  return CommandRun::Clock::now() +
         std::chrono::duration_cast<CommandRun::Clock::duration>(std::chrono::duration<double>(seconds));
}

void judge(int status, Outcome& outcome) {
  if (WIFSIGNALED(status)) {
    outcome.state = JobState::failed;
    outcome.reason = Reason::signal;
    outcome.signal = WTERMSIG(status);
  } else {
    outcome.exit_code = WEXITSTATUS(status);
    outcome.state = *outcome.exit_code == 0 ? JobState::succeeded : JobState::failed;
    outcome.reason = Reason::exit;
  }
}

/// The whole process's. Before a job, a look that is hardly older than the job will do: a look costs more
/// than all else that a worker does for a job that ends at once.
constexpr auto look_lasts = std::chrono::milliseconds(100);

struct OomLook {
  OomKills kills;
  std::uint64_t count = 0;
  CommandRun::Clock::time_point at{};

  std::uint64_t now() {
    at = CommandRun::Clock::now();
    return count = kills.count();
  }
  std::uint64_t lately() { return CommandRun::Clock::now() - at < look_lasts ? count : now(); }
};

OomLook& oom_look() {
  static OomLook look;
  return look;
}

/// Killed itself, or a shell that says so of what it ran.
bool was_killed(const Outcome& outcome) {
  return outcome.signal == SIGKILL || outcome.exit_code == 128 + SIGKILL;
}

}  // namespace

void fail_to_start(Outcome& outcome, const ExecFailure& failure) {
  outcome.state = JobState::failed;
  outcome.reason = Reason::exec;
  outcome.exit_code = failure.exit_code;
  outcome.error_type = failure.type;
  outcome.error_message = failure.message;
}

CommandRun::CommandRun(pid_t pid, UniqueFd alive, std::unique_ptr<MemoryGroup> group, double timeout_s,
                       double kill_after_s)
    : pid_(pid),
      alive_(std::move(alive)),
      group_(std::move(group)),
      kill_after_s_(kill_after_s),
      oom_kills_before_(oom_look().lately()) {
  if (timeout_s > 0) timeout_at_ = after(timeout_s);
  if (alive_) never_block(alive_.get());
}

std::optional<CommandRun::Clock::time_point> CommandRun::deadline() const {
  if (ending_ == Ending::none) return timeout_at_;
  return kill_at_;
}

void CommandRun::tick() {
  const auto now = Clock::now();
  if (ending_ == Ending::none && timeout_at_ && now >= *timeout_at_) end_by(Ending::timed_out, kill_after_s_);
  if (kill_at_ && now >= *kill_at_) {
    kill_at_.reset();
    // The main process last: its end makes the owner kill the rest for good.
    signal_descendants(::getpid(), SIGKILL);
  }
}

void CommandRun::end_by(Ending ending, double kill_after_s) {
  if (ending_ == Ending::none) ending_ = ending;
  if (kill_after_s > 0) {
    signal_descendants(::getpid(), SIGTERM);
    signal_descendants(::getpid(), SIGCONT);
  }
  // Asked again, it is not given longer.
  const auto kill_at = after(kill_after_s);
  if (!kill_at_ || kill_at < *kill_at_) kill_at_ = kill_at;
}

void CommandRun::cancel(double kill_after_s) {
  end_by(Ending::cancelled, kill_after_s < 0 ? kill_after_s_ : kill_after_s);
}

/// Our own child: its number is not another's before it is reaped.
void CommandRun::signal(int signal) {
  if (!is_reaped_) ::kill(pid_, signal);
}

void CommandRun::pause(bool paused) {
  if (is_paused_ == paused || ending_ != Ending::none) return;
  is_paused_ = paused;
  if (!paused) {
    if (timeout_left_) timeout_at_ = Clock::now() + *timeout_left_;
    timeout_left_.reset();
    return signal_descendants(::getpid(), SIGCONT);
  }
  if (timeout_at_) timeout_left_ = *timeout_at_ - Clock::now();
  timeout_at_.reset();
  // Who forks while the list is read escapes the first round, not the one in which nobody new is found.
  for (std::vector<pid_t> before;;) {
    signal_descendants(::getpid(), SIGSTOP);
    auto now = descendants_of(::getpid());
    if (now == before) return;
    before = std::move(now);
  }
}

void CommandRun::read_alive() {
  for (;;) {
    unsigned char signal = 0;
    const ssize_t got = ::read(alive_.get(), &signal, 1);
    if (got == 1) {
      // To the group, as a terminal does: a shell that waits for its child would keep the signal to itself.
      if (signal > 0 && signal < NSIG) ::kill(-pid_, signal);
      continue;
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    alive_.reset();
    cancel(-1);
    return;
  }
}

void CommandRun::reap(int options) {
  if (is_reaped_) return;
  pid_t reaped = -1;
  int status = 0;
  while ((reaped = ::wait4(pid_, &status, options, &usage_)) < 0 && errno == EINTR) {
  }
  is_reaped_ = reaped != 0;
  if (reaped == pid_) status_ = status;
}

bool CommandRun::has_ended() {
  reap(WNOHANG);
  return is_reaped_;
}

void CommandRun::finish(Outcome& outcome) {
  reap(0);
  kill_strays();
  if (status_) judge(*status_, outcome);  // else nobody has seen the end: lost
  if (ending_ == Ending::timed_out) {
    outcome.state = JobState::timed_out;
    outcome.reason = Reason::timeout;
  } else if (ending_ == Ending::cancelled) {
    outcome.state = JobState::cancelled;
    outcome.reason = Reason::cancelled;
  } else if (was_killed(outcome) &&
             (oom_look().now() > oom_kills_before_ || (group_ && group_->oom_kills() > 0))) {
    outcome.reason = Reason::oom;
  }
  outcome.user_s = seconds(usage_.ru_utime);
  outcome.system_s = seconds(usage_.ru_stime);
  outcome.max_rss_bytes = static_cast<std::uint64_t>(usage_.ru_maxrss) * 1024;
  group_.reset();
}

}  // namespace tine
