#include "tests/support/child.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <filesystem>

#include "core/shared/step.hpp"

namespace tine::test {

Child::Child(const std::function<int()>& body) {
  std::fflush(nullptr);
  pid_ = ::fork();
  REQUIRE(pid_ >= 0);
  if (pid_ != 0) return;
  int code = 99;
  try {
    code = body();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "child: %s\n", error.what());
  }
  std::fflush(nullptr);
  ::_exit(code);
}

Child::~Child() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  wait();
}

int Child::wait() {
  if (pid_ <= 0) return -1;
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

StateDir::StateDir() {
  char name[] = "/tmp/tine-shared-XXXXXX";
  REQUIRE(::mkdtemp(name) != nullptr);
  path_ = name;
  ::setenv("TINE_STATE_DIR", name, 1);
  ::unsetenv("TINE_SOCKET");
  ::unsetenv("TINE_JOB_ID");
  ::unsetenv("TINE_LOCK_OWNERS");
}

StateDir::~StateDir() {
  ::unsetenv("TINE_STATE_DIR");
  std::filesystem::remove_all(path_);
}

bool killed_at_step(int n, const std::function<void()>& body) {
  static int left;
  left = n;
  Child child([&] {
    shared::step_hook = [](const char*) {
      if (--left == 0) ::kill(::getpid(), SIGKILL);
    };
    body();
    return 0;
  });
  const int code = child.wait();
  CHECK((code == 0 || code == 1000 + SIGKILL));
  return code != 0;
}

}  // namespace tine::test
