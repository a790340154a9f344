#include "core/process/process_tree.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <functional>

#include "core/base/clock.hpp"
#include "core/base/file.hpp"
#include "core/base/unique_fd.hpp"

namespace tine {
namespace {

/// Runs `body` in a process of its own, so that a subreaper's children are only its own. Returns its exit
/// code.
int in_child(const std::function<int()>& body) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(body());
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/// A shell that says "ready" when `script` has come to `echo ready`; every process that it starts holds the
/// pipe.
struct Tree {
  explicit Tree(const char* script, std::vector<const char*> environment = {}) {
    int pipe[2];
    if (::pipe(pipe) < 0) ::_exit(90);
    pid = ::fork();
    if (pid == 0) {
      ::dup2(pipe[1], 1);
      ::close(pipe[0]);
      ::close(pipe[1]);
      environment.push_back("PATH=/usr/bin:/bin");
      environment.push_back(nullptr);
      const char* argv[] = {"/bin/sh", "-c", script, nullptr};
      ::execve("/bin/sh", const_cast<char**>(argv), const_cast<char**>(environment.data()));
      ::_exit(91);
    }
    ::close(pipe[1]);
    output.reset(pipe[0]);
    char byte = 0;
    while (::read(output.get(), &byte, 1) == 1 && byte != '\n') {
    }
  }
  /// The pipe's end is the end of the last process that held it.
  bool is_all_gone() const { return read_all(output.get()).has_value(); }
  pid_t pid = 0;
  UniqueFd output;
};

TEST_CASE("process tree: knows children and theirs") {
  CHECK(in_child([] {
          if (!become_subreaper()) return 2;
          const Tree tree("(sleep 60 & sleep 60 & echo ready; wait) & wait");
          const auto children = children_of(::getpid());
          const auto all = descendants_of(::getpid());
          const bool found =
              children == std::vector<pid_t>{tree.pid} && all.size() == 4 && all.front() == tree.pid;
          ::alarm(20);
          kill_strays();
          return found ? 0 : 1;
        }) == 0);
}

TEST_CASE("process tree: kill_strays ends who left the session, ignores TERM or was orphaned") {
  CHECK(in_child([] {
          ::alarm(20);
          if (!become_subreaper()) return 2;
          const Tree tree(
              "trap '' TERM; setsid sh -c 'sleep 60 & setsid env -i sleep 60 & echo ready; wait' & (sleep 60 "
              "&) ; wait");
          kill_strays();
          if (::waitpid(-1, nullptr, WNOHANG) != -1 || errno != ECHILD) return 3;
          return tree.is_all_gone() ? 0 : 4;
        }) == 0);
}

TEST_CASE("process tree: kill_strays spares whom it is told to, and what is below") {
  CHECK(in_child([] {
          ::alarm(20);
          if (!become_subreaper()) return 2;
          const Tree spared("sleep 60 & echo ready; wait");
          const Tree stray("sleep 60 & echo ready; wait");
          kill_strays({spared.pid});
          const bool right = children_of(::getpid()) == std::vector<pid_t>{spared.pid} &&
                             descendants_of(spared.pid).size() == 1 && stray.is_all_gone();
          kill_strays();
          return right ? 0 : 1;
        }) == 0);
}

TEST_CASE("process tree: a signal to the descendants reaches all of them and not the sender") {
  CHECK(in_child([] {
          ::alarm(20);
          if (!become_subreaper()) return 2;
          const Tree tree("sh -c 'sleep 60 & echo ready; wait' & wait");
          signal_descendants(::getpid(), SIGKILL);
          int status = 0;
          ::waitpid(tree.pid, &status, 0);
          const bool right = tree.is_all_gone() && WIFSIGNALED(status);
          kill_strays();
          return right ? 0 : 1;
        }) == 0);
}

TEST_CASE("process tree: kill_by_token ends the job of this socket and number, and no other") {
  CHECK(in_child([] {
          ::alarm(20);
          if (!become_subreaper()) return 2;
          const std::string socket = "TINE_SOCKET=/tmp/tine-test-" + std::to_string(::getpid());
          const std::string longer = socket + "x";
          const Tree job("setsid sleep 60 & echo ready; wait", {socket.c_str(), "TINE_JOB_ID=12"});
          const Tree other_job("echo ready; exec sleep 60", {socket.c_str(), "TINE_JOB_ID=123"});
          const Tree other_daemon("echo ready; exec sleep 60", {longer.c_str(), "TINE_JOB_ID=12"});
          kill_by_token(socket.substr(12), 12);
          const bool right = job.is_all_gone() && ::waitpid(other_job.pid, nullptr, WNOHANG) == 0 &&
                             ::waitpid(other_daemon.pid, nullptr, WNOHANG) == 0;
          ::kill(other_job.pid, SIGKILL);
          ::kill(other_daemon.pid, SIGKILL);
          kill_strays();
          return right ? 0 : 1;
        }) == 0);
}

TEST_CASE("process tree: kill_by_token ends who has no environment and is of the leader's session") {
  CHECK(in_child([] {
          ::alarm(20);
          if (!become_subreaper()) return 2;
          const Tree job("exec setsid sh -c 'env -i sleep 60 & echo ready; wait'");
          const std::uint64_t born = process_start_ticks(job.pid);
          const Tree other("echo ready; exec sleep 60");
          kill_by_token("/no/such/socket", 1, {job.pid, born + 1, born + 2});  // another of its number
          const bool spared = process_start_ticks(job.pid) == born;
          kill_by_token("/no/such/socket", 1, {job.pid, born, born + 1});
          const bool right = spared && job.is_all_gone() && ::waitpid(other.pid, nullptr, WNOHANG) == 0;
          kill_strays();
          return right ? 0 : 1;
        }) == 0);
}

TEST_CASE("process tree: kill_orphans ends its children and what is below, but not the spared") {
  CHECK(in_child([] {
          ::alarm(20);
          if (!become_subreaper()) return 2;
          const Tree spared("sleep 60 & echo ready; wait");
          const Tree orphan("setsid env -i sh -c 'trap \"\" TERM; sleep 60 & echo ready; wait' & wait");
          kill_orphans({spared.pid});
          const bool right =
              children_of(::getpid()) == std::vector<pid_t>{spared.pid} && orphan.is_all_gone();
          kill_strays();
          return right ? 0 : 1;
        }) == 0);
}

}  // namespace
}  // namespace tine
