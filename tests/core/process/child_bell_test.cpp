#include "core/process/child_bell.hpp"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace tine {
namespace {

constexpr int long_ms = 20'000;

pid_t child_that_ends() {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(3);
  return pid;
}

void wait_until_it_is_a_zombie(pid_t pid) {
  siginfo_t info{};
  ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT);
}

bool is_blocked() {
  sigset_t now;
  ::sigprocmask(SIG_BLOCK, nullptr, &now);
  return ::sigismember(&now, SIGCHLD) == 1;
}

TEST_CASE("child bell: the end of a child wakes the poll, also one that came before it") {
  const ChildBell bell;
  for (const bool before : {false, true}) {
    const pid_t pid = child_that_ends();
    if (before) wait_until_it_is_a_zombie(pid);
    CHECK(bell.poll(nullptr, 0, long_ms) == -1);
    CHECK(errno == EINTR);
    CHECK(::waitpid(pid, nullptr, 0) == pid);
  }
  CHECK(bell.poll(nullptr, 0, 0) == 0);
}

TEST_CASE("child bell: a descriptor wakes the poll as ever") {
  const ChildBell bell;
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  REQUIRE(::write(ends[1], "x", 1) == 1);
  pollfd watched{ends[0], POLLIN, 0};
  CHECK(bell.poll(&watched, 1, -1) == 1);
  CHECK(watched.revents == POLLIN);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("child bell: off, and after its end, the signal is as it was before") {
  REQUIRE_FALSE(is_blocked());
  {
    const ChildBell bell;
    CHECK(is_blocked());
    {
      const ChildBell::Off off(bell);
      CHECK_FALSE(is_blocked());
      struct sigaction now {};
      ::sigaction(SIGCHLD, nullptr, &now);
      CHECK((now.sa_handler == SIG_DFL));
    }
    CHECK(is_blocked());
  }
  CHECK_FALSE(is_blocked());
}

}  // namespace
}  // namespace tine
