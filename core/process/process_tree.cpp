#include "core/process/process_tree.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>

#include "core/base/clock.hpp"
#include "core/base/file.hpp"
#include "core/process/pidfd.hpp"

namespace tine {
namespace {

constexpr int token_rounds_max = 200;
constexpr useconds_t token_round_us = 10'000;

std::string proc(pid_t pid, std::string_view name) {
  return "/proc/" + std::to_string(pid) + "/" + std::string(name);
}

/// The names in a folder that are numbers.
std::vector<pid_t> numbers_in(const std::string& folder) {
  std::vector<pid_t> numbers;
  for (const auto& name : names_in(folder)) {
    const char* end = name.data() + name.size();
    pid_t number = 0;
    const auto [at, error] = std::from_chars(name.data(), end, number);
    if (error == std::errc{} && at == end) numbers.push_back(number);
  }
  return numbers;
}

pid_t parent_of(pid_t pid) {
  const auto stat = read_file(proc(pid, "stat"));
  if (!stat) return 0;
  const auto name_end = stat->rfind(')');
  if (name_end == std::string::npos || name_end + 4 >= stat->size()) return 0;
  return static_cast<pid_t>(std::strtol(stat->c_str() + name_end + 4, nullptr, 10));
}

bool kernel_lists_children() {
  static const bool it_does =
      ::access(("/proc/self/task/" + std::to_string(::gettid()) + "/children").c_str(), R_OK) == 0;
  return it_does;
}

/// For kernels without the list of children (gVisor, a lean configuration).
std::vector<pid_t> children_by_search(pid_t pid) {
  std::vector<pid_t> children;
  for (const pid_t candidate : numbers_in("/proc"))
    if (parent_of(candidate) == pid) children.push_back(candidate);
  return children;
}

/// Through a pidfd, and only if it still is below `parent` or came to us as an orphan: else the number was
/// reused.
void signal_if_still(pid_t pid, pid_t parent, int signal) {
  const UniqueFd fd(::pidfd_open(pid, 0));
  if (!fd) return;
  const pid_t now = parent_of(pid);
  if (now == parent || now == ::getpid()) ::pidfd_send_signal(fd.get(), signal, nullptr, 0);
}

struct Member {
  pid_t pid, parent;
};

std::vector<pid_t>& kept_children() {
  static std::vector<pid_t> pids;
  return pids;
}

bool is_kept(pid_t pid) {
  return std::find(kept_children().begin(), kept_children().end(), pid) != kept_children().end();
}

void collect(pid_t pid, std::vector<Member>& members) {
  const std::size_t first = members.size();
  for (const pid_t child : children_of(pid))
    if (!is_kept(child)) members.push_back({child, pid});
  for (std::size_t at = first; at < members.size(); ++at)
    for (const pid_t child : children_of(members[at].pid)) members.push_back({child, members[at].pid});
}

bool reap(pid_t pid, int options) {
  for (;;) {
    const pid_t reaped = ::waitpid(pid, nullptr, options);
    if (reaped >= 0 || errno != EINTR) return reaped > 0;
  }
}

bool has_entry(std::string_view environment, std::string_view entry) {
  while (!environment.empty()) {
    const auto end = environment.find('\0');
    if (environment.substr(0, end) == entry) return true;
    if (end == std::string_view::npos) return false;
    environment.remove_prefix(end + 1);
  }
  return false;
}

/// As long as a session has members its number is not given to another process; one that was made later under
/// the same number has a leader that started at another time.
bool is_of_session(pid_t pid, const SessionId& session) {
  if (session.leader <= 0 || ::getsid(pid) != session.leader) return false;
  const std::uint64_t started = process_start_ticks(pid);  // 0: it has ended
  if (started < session.born_from) return false;
  const std::uint64_t leader_started = process_start_ticks(session.leader);
  return leader_started == 0 || (leader_started >= session.born_from && leader_started <= session.born_to);
}

}  // namespace

Status become_subreaper() {
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0) return errno_error("become a subreaper");
  return ok();
}

std::vector<pid_t> children_of(pid_t pid) {
  if (!kernel_lists_children()) return children_by_search(pid);
  std::vector<pid_t> children;
  for (const pid_t thread : numbers_in(proc(pid, "task"))) {
    const auto list = read_file(proc(pid, "task/" + std::to_string(thread) + "/children"));
    if (!list) continue;
    const char* at = list->c_str();
    for (char* end = nullptr;; at = end) {
      const long child = std::strtol(at, &end, 10);
      if (end == at) break;
      children.push_back(static_cast<pid_t>(child));
    }
  }
  return children;
}

std::vector<pid_t> descendants_of(pid_t pid) {
  std::vector<Member> members;
  collect(pid, members);
  std::vector<pid_t> pids;
  for (const Member& member : members) pids.push_back(member.pid);
  return pids;
}

void keep_child(pid_t pid) { kept_children().push_back(pid); }
void forget_child(pid_t pid) { std::erase(kept_children(), pid); }

void signal_descendants(pid_t pid, int signal) {
  std::vector<Member> members;
  collect(pid, members);
  for (const Member& member : members) signal_if_still(member.pid, member.parent, signal);
}

void signal_tree(pid_t pid, int signal) {
  signal_if_still(pid, ::getpid(), signal);
  signal_descendants(pid, signal);
}

void kill_strays(const std::vector<pid_t>& spared) {
  const bool spares_some = !spared.empty() || !kept_children().empty();
  for (;;) {
    if (!spares_some) {
      // The usual case costs this one call: no /proc, no kill.
      const pid_t reaped = ::waitpid(-1, nullptr, WNOHANG);
      if (reaped > 0 || (reaped < 0 && errno == EINTR)) continue;
      if (reaped < 0) return;
    }
    std::vector<pid_t> strays = children_of(::getpid());
    std::erase_if(strays, [&](pid_t pid) {
      return is_kept(pid) || std::find(spared.begin(), spared.end(), pid) != spared.end();
    });
    if (strays.empty()) {
      if (spares_some) return;
      ::usleep(1000);  // the kernel's list may miss one while another exits; ECHILD above is the truth
      continue;
    }
    for (const pid_t stray : strays) {
      ::kill(stray, SIGKILL);  // our own child, not reaped yet: the number is its own
      signal_descendants(stray, SIGKILL);
    }
    // What they had forked comes to us when they end: the next round sees it.
    for (const pid_t stray : strays) reap(stray, 0);
  }
}

void kill_orphans(const std::vector<pid_t>& spared) {
  for (int round = 0; round < token_rounds_max; ++round) {
    std::vector<pid_t> orphans = children_of(::getpid());
    std::erase_if(orphans,
                  [&](pid_t pid) { return std::find(spared.begin(), spared.end(), pid) != spared.end(); });
    if (orphans.empty()) return;
    for (const pid_t orphan : orphans) {
      ::kill(orphan, SIGKILL);  // our own child, not reaped yet: the number is its own
      signal_descendants(orphan, SIGKILL);
    }
    ::usleep(1000);
    for (const pid_t orphan : orphans) reap(orphan, WNOHANG);
  }
}

void kill_by_token(const std::string& socket_path, JobId job, const SessionId& session) {
  const std::string socket_entry = "TINE_SOCKET=" + socket_path;
  const std::string job_entry = "TINE_JOB_ID=" + std::to_string(job);
  for (int round = 0; round < token_rounds_max; ++round) {
    bool found = false;
    for (const pid_t pid : numbers_in("/proc")) {
      if (pid == ::getpid()) continue;
      const UniqueFd fd(
          ::pidfd_open(pid, 0));  // before the look: what is read is then of the process that is hit
      if (!fd) continue;
      const auto environment = read_file(proc(pid, "environ"));  // empty for a zombie
      const bool has_token =
          environment && has_entry(*environment, job_entry) && has_entry(*environment, socket_entry);
      if (!has_token && !is_of_session(pid, session)) continue;
      found = true;
      ::pidfd_send_signal(fd.get(), SIGKILL, nullptr, 0);
      reap(pid, WNOHANG);
    }
    if (!found) return;
    ::usleep(token_round_us);
  }
}

}  // namespace tine
