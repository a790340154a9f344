#include "cmd/guarded_command.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>

#include "core/base/file.hpp"
#include "core/process/process_tree.hpp"

namespace tine::cmd {
namespace {

constexpr int handled[] = {SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM};

sigset_t handled_set() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : handled) ::sigaddset(&set, signal);
  return set;
}

int exit_code_of_status(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

[[noreturn]] void exec(const Words& command, pid_t keeper) {
  // The keeper's only thread is its main one, so its end is the signal's time.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != keeper) ::_exit(125);
  const auto set = handled_set();
  ::sigprocmask(SIG_UNBLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  std::vector<std::string> words(command.begin(), command.end());
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::execvp(argv[0], argv.data());
  const int code = errno == ENOENT ? 127 : 126;
  (void)write_all(2, "tine: " + words[0] + ": " + std::strerror(errno) + "\n");
  ::_exit(code);
}

/// Waits for `child`, passing on signals that somebody sent to this process; those of a terminal reach the
/// child by themselves. Its wait status; nothing when `parent` (0: any) has gone.
std::optional<int> wait_for(pid_t child, pid_t parent) {
  const auto set = handled_set();
  const auto is_orphaned = [&] { return parent != 0 && ::getppid() != parent; };
  while (!is_orphaned()) {
    int status = 0;
    pid_t ended = 0;
    while ((ended = ::waitpid(-1, &status, WNOHANG)) > 0) {
      if (ended == child) return status;
    }
    siginfo_t info{};
    const int signal = ::sigwaitinfo(&set, &info);
    if (signal > 0 && signal != SIGCHLD && info.si_code <= 0 && !is_orphaned()) ::kill(child, signal);
  }
  return std::nullopt;
}

/// The keeper's life.
[[noreturn]] void keep(const Words& command, pid_t parent, const std::function<int()>& prepare,
                       const std::function<void()>& finish) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(125);
  (void)become_subreaper();
  const auto set = handled_set();
  ::sigprocmask(SIG_UNBLOCK, &set, nullptr);  // while it waits for its turn a signal ends it
  const int refused = prepare();
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  if (refused) ::_exit(refused);
  const pid_t self = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) {
    finish();
    ::_exit(125);
  }
  if (child == 0) exec(command, self);
  const auto status = wait_for(child, parent);
  if (!status) kill_strays();
  finish();
  ::_exit(status ? exit_code_of_status(*status) : 128 + SIGKILL);
}

}  // namespace

int run_guarded(const Words& command, const std::function<int()>& prepare,
                const std::function<void()>& finish) {
  const auto set = handled_set();
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  // What is left of the command when its keeper was killed comes here.
  (void)become_subreaper();
  std::fflush(nullptr);
  const pid_t self = ::getpid();
  const pid_t keeper = ::fork();
  if (keeper < 0) return 125;
  if (keeper == 0) keep(command, self, prepare, finish);
  const int status = *wait_for(keeper, 0);
  if (WIFSIGNALED(status)) kill_strays();
  return exit_code_of_status(status);
}

}  // namespace tine::cmd
