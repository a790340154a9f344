#include "core/pool/function_call.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>

#include "core/base/clock.hpp"
#include "core/base/unique_fd.hpp"
#include "core/pool/call_surroundings.hpp"
#include "core/process/process_tree.hpp"

namespace tine {
namespace {

const int timeout_signal = SIGRTMAX - 1;
const int alive_signal = SIGRTMAX - 2;

/// A record made before the call, for a handler that may not allocate: only its time of end is filled in
/// there.
struct PreparedEnd {
  std::string bytes;
  std::size_t finished_at = 0;

  void prepare(Outcome outcome, JobState state, Reason reason) {
    outcome.state = state;
    outcome.reason = reason;
    outcome.finished = 0;
    bytes = encode(outcome);
    outcome.finished = ~Micros{0};
    const std::string other = encode(outcome);
    while (finished_at < bytes.size() && bytes[finished_at] == other[finished_at]) ++finished_at;
  }
  [[noreturn]] void commit(Spool& spool) {
    const Micros now = now_micros();
    std::memcpy(bytes.data() + finished_at, &now, sizeof now);
    (void)spool.append(OrderKind::job, bytes);
    ::_exit(0);  // the zygote kills what the call had forked
  }
};

struct Guard {
  PreparedEnd timed_out, cancelled;
  Spool* spool = nullptr;
  int alive = -1;
  timer_t timer{};
  std::int64_t excused_us = 0;  ///< pauses that the time-out has been moved on by
} guard;

void set_timer(timer_t timer, double seconds) {
  itimerspec when{};
  when.it_value.tv_sec = static_cast<time_t>(seconds);
  when.it_value.tv_nsec = static_cast<long>(std::fmod(seconds, 1.0) * 1e9);
  if (when.it_value.tv_sec == 0 && when.it_value.tv_nsec == 0) when.it_value.tv_nsec = 1;
  ::timer_settime(timer, 0, &when, nullptr);
}

void on_timeout(int) {
  // The timer runs on while this process is stopped: that time does not count.
  const auto paused = guard.spool->paused_us();
  if (paused <= guard.excused_us) guard.timed_out.commit(*guard.spool);
  const auto more = paused - guard.excused_us;
  guard.excused_us = paused;
  set_timer(guard.timer, static_cast<double>(more) / 1e6);
}

void on_alive(int) {
  const int before = errno;
  for (;;) {
    unsigned char signal = 0;
    const ssize_t got = ::read(guard.alive, &signal, 1);
    if (got == 0) guard.cancelled.commit(*guard.spool);
    if (got < 0) break;
    if (signal == SIGINT || signal == SIGTERM || signal == SIGQUIT || signal == SIGHUP)
      guard.cancelled.commit(*guard.spool);
  }
  errno = before;
}

/// Arms the time-out and the watch on the caller for as long as it lives.
class Watch {
 public:
  Watch(double timeout_s, int alive) : alive_(alive) {
    set_handler(timeout_signal, on_timeout);
    set_handler(alive_signal, on_alive);
    if (timeout_s > 0) {
      sigevent event{};
      event.sigev_notify = SIGEV_SIGNAL;
      event.sigev_signo = timeout_signal;
      armed_ = ::timer_create(CLOCK_MONOTONIC, &event, &timer_) == 0;
      guard.timer = timer_;
      guard.excused_us = 0;
      if (armed_) set_timer(timer_, timeout_s);
    }
    if (alive_ >= 0) {
      ::fcntl(alive_, F_SETOWN, ::getpid());
      ::fcntl(alive_, F_SETSIG, alive_signal);
      ::fcntl(alive_, F_SETFL, O_ASYNC | O_NONBLOCK);
      // What happened before the watch began sends no signal.
      pollfd look{alive_, POLLIN, 0};
      if (::poll(&look, 1, 0) > 0) on_alive(alive_signal);
    }
  }
  ~Watch() {
    if (armed_) ::timer_delete(timer_);
    if (alive_ >= 0) ::fcntl(alive_, F_SETFL, O_NONBLOCK);
    set_handler(timeout_signal, SIG_IGN);
    set_handler(alive_signal, SIG_IGN);
    set_handler(timeout_signal, SIG_DFL);
    set_handler(alive_signal, SIG_DFL);
  }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

 private:
  static void set_handler(int signal, void (*handler)(int)) {
    struct sigaction action {};
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    ::sigfillset(&action.sa_mask);
    ::sigaction(signal, &action, nullptr);
  }
  int alive_;
  timer_t timer_{};
  bool armed_ = false;
};

}  // namespace

void call_function(const Functions::Function& function, const JobSpec& spec, const CallPlace& place,
                   Spool& spool, Outcome& outcome) {
  if (::chdir(spec.workdir.c_str()) < 0) {
    outcome.state = JobState::failed;
    outcome.reason = Reason::exec;
    outcome.exit_code = 126;
    outcome.error_type = "WorkdirGone";
    outcome.error_message = "workdir " + spec.workdir + ": " + std::strerror(errno);
    return;
  }
  guard.timed_out = guard.cancelled = {};
  guard.timed_out.prepare(outcome, JobState::timed_out, Reason::timeout);
  guard.cancelled.prepare(outcome, JobState::cancelled, Reason::cancelled);
  guard.spool = &spool;
  guard.alive = place.alive;
  rusage before{}, after{};
  ::getrusage(RUSAGE_SELF, &before);
  CallResult result;
  {
    const CallSurroundings surroundings(spec.workdir, static_cast<mode_t>(spec.umask), place.environment,
                                        place.in, place.out, place.err);
    const Watch watch(spec.timeout_s, place.alive);
    try {
      result = function(spec.args_json);
    } catch (const std::exception& error) {
      result = {"", "Exception", error.what()};
    } catch (...) {
      result = {"", "Exception", "unknown"};
    }
  }
  kill_strays();
  ::getrusage(RUSAGE_SELF, &after);
  const bool succeeded = result.error_type.empty();
  outcome.state = succeeded ? JobState::succeeded : JobState::failed;
  outcome.reason = succeeded                               ? Reason::exit
                   : result.error_type == worker_died_type ? Reason::worker_died
                                                           : Reason::exception;
  if (succeeded) outcome.exit_code = 0;
  outcome.result_json = std::move(result.result_json);
  outcome.error_type = std::move(result.error_type);
  outcome.error_message = std::move(result.error_message);
  outcome.user_s = seconds(after.ru_utime) - seconds(before.ru_utime);
  outcome.system_s = seconds(after.ru_stime) - seconds(before.ru_stime);
  outcome.max_rss_bytes = static_cast<std::uint64_t>(after.ru_maxrss) * 1024;
}

}  // namespace tine
