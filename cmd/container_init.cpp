#include "cmd/container_init.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include <cerrno>
#include <cstdio>
#include <deque>

#include "core/process/process_tree.hpp"
#include "core/process/spawn.hpp"

namespace tine {
namespace {

constexpr std::size_t restarts_max = 5;
constexpr time_t restart_window_s = 60;
constexpr int forwarded[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2};

time_t monotonic_s() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec;
}

/// Reaps all that has ended; true when `child` was among it.
bool reap(pid_t child, int& status) {
  bool ended = false;
  int one = 0;
  for (pid_t pid; (pid = ::waitpid(-1, &one, WNOHANG)) > 0;) {
    if (pid != child) continue;
    status = one;
    ended = true;
  }
  return ended;
}

}  // namespace

int run_container_init(const std::vector<std::string>& arguments) {
  (void)become_subreaper();  // where it is not PID 1, it reaps all the same
  sigset_t awaited;
  ::sigemptyset(&awaited);
  ::sigaddset(&awaited, SIGCHLD);
  for (const int signal : forwarded) ::sigaddset(&awaited, signal);
  ::sigprocmask(SIG_BLOCK, &awaited, nullptr);
  std::deque<time_t> restarts;
  for (;;) {
    auto child = spawn_self(arguments, {}, NewSession::no);
    if (!child) {
      std::fprintf(stderr, "tined: %s\n", child.error().message().c_str());
      return exit_code_of(child.error());
    }
    int status = 0;
    bool asked_to_end = false;
    for (;;) {
      int signal = 0;
      ::sigwait(&awaited, &signal);
      if (signal != SIGCHLD) {
        asked_to_end |= signal == SIGTERM || signal == SIGINT || signal == SIGQUIT;
        ::kill(*child, signal);  // not reaped yet, so the pid is still its
      } else if (reap(*child, status)) {
        break;
      }
    }
    if (!WIFSIGNALED(status)) return WEXITSTATUS(status);
    const int code = 128 + WTERMSIG(status);
    while (!restarts.empty() && monotonic_s() - restarts.front() >= restart_window_s) restarts.pop_front();
    if (asked_to_end || restarts.size() >= restarts_max) return code;
    restarts.push_back(monotonic_s());
    std::fprintf(stderr, "tined: killed by signal %d; starting it again\n", WTERMSIG(status));
  }
}

}  // namespace tine
