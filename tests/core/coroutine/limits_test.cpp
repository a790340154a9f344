#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <tine/coroutine.hpp>
#include <vector>

#include "core/base/unique_fd.hpp"

using namespace std::chrono_literals;
using tine::UniqueFd;

namespace {

/// What waitpid said of a child that ran `body` and left by _exit(0).
int status_of_child(const std::function<void()>& body) {
  std::fflush(nullptr);
  const pid_t pid = ::fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    body();
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  return status;
}

/// Uses `depth` KiB of stack.
[[gnu::noinline]] int dig(int depth) {
  volatile char frame[1024] = {};
  frame[0] = static_cast<char>(depth);
  return depth > 0 ? dig(depth - 1) + frame[0] : frame[0];
}

struct Address {
  sockaddr_un name{};
  socklen_t size = sizeof name;
};

/// A Unix socket that listens under a name of the kernel's making.
UniqueFd listen_somewhere(Address& address) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  address.name.sun_family = AF_UNIX;
  REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address.name), sizeof(sa_family_t)) == 0);
  REQUIRE(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address.name), &address.size) == 0);
  REQUIRE(::listen(fd.get(), 128) == 0);
  return fd;
}

/// Answers each connection's byte once all have come, so all are open at once.
void serve(int listening, int count) {
  tine::Event all_are_here;
  int here = 0;
  std::vector<tine::Task<void>> tasks;
  auto acceptor = tine::spawn([&] {
    for (int i = 0; i < count; ++i) {
      const int fd = ::accept(listening, nullptr, nullptr);
      if (fd < 0) ::_exit(1);
      tasks.push_back(tine::spawn([&, fd] {
        char byte;
        if (::read(fd, &byte, 1) != 1) ::_exit(2);
        if (++here == count) all_are_here.set();
        all_are_here.wait();
        if (::write(fd, &byte, 1) != 1) ::_exit(3);
        ::close(fd);
      }));
    }
  });
  acceptor.get();
  tine::join_all(tasks);
}

}  // namespace

TEST_CASE("stack: a task may use most of 256 KiB") {
  CHECK(tine::spawn([] { return dig(180); }).get() != -1);
}

TEST_CASE("stack: running over it is a SIGSEGV of the process, not someone else's memory") {
  const int status = status_of_child([] {
    ::signal(SIGSEGV, SIG_DFL);
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    tine::spawn([] { return dig(100'000); }).join();
  });
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGSEGV);
}

TEST_CASE("fork: the child has the calling task alone, as its program") {
  bool other_ran_in_child = false;
  auto other = tine::spawn([&] {
    tine::sleep(5ms);
    other_ran_in_child = true;
  });
  auto forking = tine::spawn([&] {
    tine::sleep(1ms);
    return status_of_child([&] {
      int sum = 0;
      auto own = tine::spawn([&] {
        tine::sleep(10ms);
        sum = 7;
      });
      own.join();
      ::_exit(sum == 7 && !other_ran_in_child ? 0 : 1);
    });
  });
  CHECK(forking.get() == 0);
  other.join();
  CHECK(other_ran_in_child);  // here, in the parent
}

TEST_CASE("sockets: 10,000 tasks wait on 10,000 sockets at the descriptor limit") {
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  Address address;
  UniqueFd listening = listen_somewhere(address);
  tine::spawn([] {}).join();  // the scheduler has its own descriptor before the limit is reached
  const rlimit limit{std::min<rlim_t>(10'010, before.rlim_max), before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
  std::vector<UniqueFd> fds;
  while (const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (fd < 0) break;
    fds.emplace_back(fd);
  }
  REQUIRE(errno == EMFILE);
  fds.resize(fds.size() - 2);  // the undefined sanitizer asks by a pipe whether memory can be read
  const int count = static_cast<int>(fds.size());
  REQUIRE(count >= std::min<int>(9'900, before.rlim_max - 100));

  std::fflush(nullptr);
  const pid_t server = ::fork();
  REQUIRE(server >= 0);
  if (server == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    fds.clear();
    serve(listening.get(), count);
    ::_exit(0);
  }
  std::vector<tine::Task<bool>> tasks;
  for (const UniqueFd& one : fds)
    tasks.push_back(tine::spawn([&address, fd = one.get()] {
      char byte = 'x';
      return ::connect(fd, reinterpret_cast<sockaddr*>(&address.name), address.size) == 0 &&
             ::write(fd, &byte, 1) == 1 && ::read(fd, &byte, 1) == 1 && byte == 'x';
    }));
  CHECK(tine::join_all(tasks, 60s));
  CHECK(std::all_of(tasks.begin(), tasks.end(), [](const auto& task) { return task.ready() && task.get(); }));

  fds.clear();
  ::setrlimit(RLIMIT_NOFILE, &before);
  int status = 0;
  CHECK(::waitpid(server, &status, 0) == server);
  CHECK(status == 0);
}
