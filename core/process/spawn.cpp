#include "core/process/spawn.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

extern char** environ;

namespace tine {
namespace {

enum class Step : int { none, workdir, limits, exec };

/// All that the child touches, made before the vfork: it must not allocate in the memory it borrows.
struct Launch {
  std::vector<char*> argv;
  std::vector<char*> environment;
  std::vector<std::string> candidates;  ///< paths to try, in the order of PATH
  std::vector<char*> script_argv;       ///< for a file without a magic number: /bin/sh FILE ARG…
  const char* workdir;
  mode_t umask;
  int descriptors[3];
  rlimit open_files;
  pid_t mortal_with = 0;  ///< the parent whose death ends the child; 0: no matter
  rlimit memory;
  int group;
  int nice;
  void (*on_session)(void* argument);
  void* on_session_argument;
  volatile Step failed_step = Step::none;
  volatile int failed_errno = 0;
};

std::vector<std::string> candidates_for(const std::string& name,
                                        const std::vector<std::string>& environment) {
  if (name.find('/') != std::string::npos) return {name};
  std::string path = "/usr/local/bin:/usr/bin:/bin";
  for (const auto& entry : environment)
    if (entry.starts_with("PATH=")) path = entry.substr(5);
  std::vector<std::string> candidates;
  for (std::size_t at = 0; at <= path.size();) {
    const auto end = std::min(path.find(':', at), path.size());
    const std::string folder = path.substr(at, end - at);
    candidates.push_back(folder.empty() ? "./" + name : folder + "/" + name);
    at = end + 1;
  }
  return candidates;
}

std::vector<char*> pointers_to(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (const auto& text : strings) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

/// Moves the three descriptors to 0, 1 and 2. Those that lie in the way are lifted first.
bool place_descriptors(Launch& launch) {
  for (int& fd : launch.descriptors) {
    if (fd > 2) continue;
    fd = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (fd < 0) return false;
  }
  for (int target = 0; target < 3; ++target)
    if (::dup2(launch.descriptors[target], target) < 0) return false;
  return true;
}

/// In the child, until exec: only system calls, and only `launch`, the stack and what on_session keeps are
/// written.
[[noreturn]] void become(Launch& launch) {
  ::setsid();
  if (launch.on_session) launch.on_session(launch.on_session_argument);
  if (launch.mortal_with != 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != launch.mortal_with) ::_exit(126);  // it died before the line above
  }
  const bool placed = place_descriptors(launch);
  ::close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
  ::umask(launch.umask);
  if (launch.open_files.rlim_cur > 0) ::setrlimit(RLIMIT_NOFILE, &launch.open_files);
  if (!placed || ::chdir(launch.workdir) < 0) {
    launch.failed_errno = errno;
    launch.failed_step = placed ? Step::workdir : Step::exec;
    ::_exit(126);
  }
  if ((launch.group >= 0 && ::write(launch.group, "0", 1) < 0) ||
      (launch.memory.rlim_cur != RLIM_INFINITY && ::setrlimit(RLIMIT_DATA, &launch.memory) < 0) ||
      (launch.nice != 0 &&
       ::setpriority(PRIO_PROCESS, 0, ::getpriority(PRIO_PROCESS, 0) + launch.nice) < 0)) {
    launch.failed_errno = errno;
    launch.failed_step = Step::limits;
    ::_exit(126);
  }
  // glibc's own two signals: its posix_spawn leaves them ignored, and its signal() refuses to touch them.
  const struct {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)();
    unsigned long mask;
  } defaults{SIG_DFL, 0, nullptr, 0};
  for (const int internal : {32, 33})
    ::syscall(SYS_rt_sigaction, internal, &defaults, nullptr, sizeof defaults.mask);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  int error = ENOENT;
  for (const auto& candidate : launch.candidates) {
    ::execve(candidate.c_str(), launch.argv.data(), launch.environment.data());
    if (errno == ENOEXEC) {
      launch.script_argv[1] = const_cast<char*>(candidate.c_str());
      ::execve("/bin/sh", launch.script_argv.data(), launch.environment.data());
    }
    // As execvp: what cannot be run is remembered, but something later on the PATH may do.
    if (errno == ENOENT || errno == ENOTDIR || errno == ENODEV || errno == ESTALE || errno == ETIMEDOUT)
      continue;
    error = errno;
    if (errno != EACCES) break;
  }
  launch.failed_errno = error;
  launch.failed_step = Step::exec;
  ::_exit(127);
}

ExecFailure judge(const Launch& launch, const Command& command) {
  const int error = launch.failed_errno;
  const std::string why = std::strerror(error);
  if (launch.failed_step == Step::workdir)
    return {126, "WorkdirGone", "workdir " + command.workdir + ": " + why};
  if (launch.failed_step == Step::limits)
    return {
        126, "LimitRefused",
        "nice " + std::to_string(command.nice) + ", max_memory: " + why + "; a lower nice needs privileges"};
  if (error == ENOENT) return {127, "CommandNotFound", "command not found: " + command.argv[0]};
  return {126, "ExecFailed", command.argv[0] + ": " + why};
}

/// A function of its own: what vfork shares of the stack must not be a frame that returns in the child.
[[gnu::noinline]] pid_t launch_child(Launch& launch) {
  const pid_t pid = ::vfork();
  if (pid == 0) become(launch);
  return pid;
}

}  // namespace

Result<pid_t> spawn_command(const Command& command, ExecFailure& failure) {
  Launch launch;
  launch.argv = pointers_to(command.argv);
  launch.environment = pointers_to(command.environment);
  launch.candidates = candidates_for(command.argv[0], command.environment);
  launch.script_argv = pointers_to(command.argv);
  launch.script_argv.insert(launch.script_argv.begin(), const_cast<char*>("/bin/sh"));
  launch.workdir = command.workdir.c_str();
  launch.umask = command.umask;
  launch.descriptors[0] = command.in;
  launch.descriptors[1] = command.out;
  launch.descriptors[2] = command.err;
  if (command.dies_with_parent) launch.mortal_with = ::getpid();
  ::getrlimit(RLIMIT_NOFILE, &launch.open_files);
  if (command.open_files_soft > 0)
    launch.open_files.rlim_cur = std::min<rlim_t>(command.open_files_soft, launch.open_files.rlim_max);

  launch.memory.rlim_cur = launch.memory.rlim_max =
      command.max_memory_bytes == ~std::uint64_t{0} ? RLIM_INFINITY : command.max_memory_bytes;
  launch.group = command.group;
  launch.nice = command.nice;
  launch.on_session = command.on_session;
  launch.on_session_argument = command.on_session_argument;

  const pid_t pid = launch_child(launch);
  if (pid < 0) return errno_error("fork");
  if (launch.failed_step != Step::none) {
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    failure = judge(launch, command);
    return -1;
  }
  return pid;
}

Result<pid_t> spawn_self(const std::vector<std::string>& argv, const std::vector<int>& kept,
                         NewSession session) {
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  // The same number on both sides clears close-on-exec (posix_spawn_file_actions_adddup2(3)).
  for (const int fd : kept) ::posix_spawn_file_actions_adddup2(&actions, fd, fd);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none, all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
  if (session == NewSession::yes) flags |= POSIX_SPAWN_SETSID;
  ::posix_spawnattr_setflags(&attributes, flags);
  pid_t pid = -1;
  const int error =
      ::posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, pointers_to(argv).data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    errno = error;
    return errno_error("start /proc/self/exe");
  }
  return pid;
}

}  // namespace tine
