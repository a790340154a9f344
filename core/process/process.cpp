#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <mutex>
#include <stdexcept>
#include <system_error>
#include <tine/process.hpp>

#include "core/base/exception_text.hpp"
#include "core/base/unique_fd.hpp"
#include "core/process/pidfd.hpp"
#include "core/process/standard_streams.hpp"

namespace tine {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds daemon_patience{5};

[[noreturn]] void run_child(process_detail::Body& body) {
  int exit_code = 0;
  try {
    body.run();
  } catch (...) {
    const ExceptionText text = current_exception_text();
    flush_standard_streams();
    std::fprintf(stderr, "Process %d: %s: %s\n", static_cast<int>(::getpid()), text.type.c_str(),
                 text.message.c_str());
    exit_code = 1;
  }
  flush_standard_streams();
  ::_exit(exit_code);
}

}  // namespace

struct process_detail::State {
  explicit State(std::unique_ptr<Body> given) : body(std::move(given)) {}
  ~State() {
    if (!started() || owner != ::getpid()) return;  // a child's copy: the process is not its to wait for
    if (daemon) {
      signal(SIGTERM);
      if (wait_until(Clock::now() + daemon_patience)) return;
      signal(SIGKILL);
    }
    wait_until(Clock::time_point::max());
  }

  bool started() const { return pid != 0; }

  void require_started() const {
    if (!started()) throw std::logic_error("the process was not started");
    if (owner != ::getpid()) throw std::logic_error("the process is not a child of this one");
  }

  /// Takes the end, if it has come. Several threads may wait at once: the first one reaps.
  bool has_ended() {
    const std::lock_guard lock(mutex);
    if (ended) return true;
    siginfo_t info{};
    int failed = 0;
    do failed = ::waitid(P_PIDFD, static_cast<id_t>(pidfd.get()), &info, WEXITED | WNOHANG);
    while (failed < 0 && errno == EINTR);
    if (failed < 0) {
      // Somebody else reaped it, or will: the pidfd still tells when it is over.
      pollfd end{pidfd.get(), POLLIN, 0};
      return ended = ::poll(&end, 1, 0) > 0;
    }
    if (info.si_pid == 0) return false;
    exit_code = info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
    return ended = true;
  }

  bool wait_until(Clock::time_point deadline) {
    while (!has_ended()) {
      int timeout_ms = -1;
      if (deadline != Clock::time_point::max()) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
        if (left <= 0) return false;
        timeout_ms = static_cast<int>(std::min<std::int64_t>(left, 1 << 30));
      }
      pollfd end{pidfd.get(), POLLIN, 0};
      (void)::poll(&end, 1, timeout_ms);
    }
    return true;
  }

  void signal(int number) {
    const std::lock_guard lock(mutex);
    if (!ended) ::pidfd_send_signal(pidfd.get(), number, nullptr, 0);
  }

  std::unique_ptr<Body> body;
  std::atomic<bool> daemon = false;
  pid_t pid = 0;    ///< 0: not started
  pid_t owner = 0;  ///< who started it
  UniqueFd pidfd;
  std::mutex mutex;  ///< of what follows
  bool ended = false;
  std::optional<int> exit_code;
};

Process::Process(std::unique_ptr<process_detail::Body> body)
    : state_(std::make_unique<process_detail::State>(std::move(body))) {}
Process::Process(Process&&) noexcept = default;
Process& Process::operator=(Process&&) noexcept = default;
Process::~Process() = default;

void Process::start() {
  if (state_->started()) throw std::logic_error("the process was started already");
  flush_standard_streams();
  const pid_t pid = ::fork();
  if (pid < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (pid == 0) run_child(*state_->body);
  state_->pidfd = UniqueFd(::pidfd_open(pid, 0));
  if (!state_->pidfd) {
    const int error = errno;
    ::kill(pid, SIGKILL);  // our own child, not reaped yet: the number is its own
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    throw std::system_error(error, std::generic_category(), "open a pidfd");
  }
  state_->owner = ::getpid();
  state_->pid = pid;
}

void Process::join() {
  state_->require_started();
  state_->wait_until(Clock::time_point::max());
}

bool Process::join_for(std::chrono::nanoseconds timeout) {
  state_->require_started();
  return state_->wait_until(Clock::now() + timeout);
}

void Process::terminate() {
  state_->require_started();
  state_->signal(SIGTERM);
}

void Process::kill() {
  state_->require_started();
  state_->signal(SIGKILL);
}

bool Process::is_alive() { return state_->started() && state_->owner == ::getpid() && !state_->has_ended(); }

pid_t Process::pid() const { return state_->pid; }
void Process::daemon(bool yes) { state_->daemon = yes; }
bool Process::daemon() const { return state_->daemon; }

std::optional<int> Process::exitcode() {
  if (!state_->started() || state_->owner != ::getpid() || !state_->has_ended()) return std::nullopt;
  const std::lock_guard lock(state_->mutex);
  return state_->exit_code;
}

}  // namespace tine
