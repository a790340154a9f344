#include "core/base/failpoint.hpp"

#include <doctest/doctest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace {

/// How a child ends that comes by `a` once, `b` three times and `c`, with these failpoints set.
int status_with(const char* failpoints) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::setenv("TINE_FAILPOINT", failpoints, 1);
    tine::failpoint("a");
    for (int i = 0; i < 3; ++i) tine::failpoint("b");
    ::_exit(tine::failpoint("c") == ENOSPC ? 7 : 0);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return status;
}

}  // namespace

TEST_CASE("failpoint: kills, exits or fails at its name, the time that it says") {
#ifdef TINE_FAILPOINTS
  CHECK(WTERMSIG(status_with("a=kill")) == SIGKILL);
  CHECK(WTERMSIG(status_with("b=kill@3")) == SIGKILL);
  CHECK(WEXITSTATUS(status_with("b=kill@4")) == 0);
  CHECK(WEXITSTATUS(status_with("a=exit")) == 1);
  CHECK(WEXITSTATUS(status_with("b=kill@4,c=error:ENOSPC")) == 7);
#endif
  CHECK(WEXITSTATUS(status_with("other=kill")) == 0);
}
