#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <tine/process.hpp>
#include <vector>

#include "core/base/file.hpp"
#include "core/base/unique_fd.hpp"
#include "tests/support/eventually.hpp"

using namespace std::chrono_literals;

namespace tine {
namespace {

[[noreturn]] void sleep_for_ever() {
  for (;;) ::pause();
}

/// doctest catches SIGTERM, and a child would inherit that.
struct DefaultSigterm {
  ~DefaultSigterm() { ::signal(SIGTERM, before); }
  void (*before)(int) = ::signal(SIGTERM, SIG_DFL);
};

/// A value that the parent and its children share.
struct SharedInt {
  SharedInt()
      : value(new (::mmap(nullptr, sizeof(std::atomic<int>), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0)) std::atomic<int>(0)) {}
  ~SharedInt() { ::munmap(value, sizeof *value); }
  std::atomic<int>* value;
};

/// Runs `body` with a descriptor's writing replaced by a file, and gives back what was written.
std::string written_to(int fd, const std::function<void()>& body) {
  std::FILE* file = std::tmpfile();
  std::fflush(nullptr);
  const UniqueFd before(::dup(fd));
  ::dup2(::fileno(file), fd);
  body();
  std::fflush(nullptr);
  ::dup2(before.get(), fd);
  ::lseek(::fileno(file), 0, SEEK_SET);
  const std::string text = *read_all(::fileno(file));
  std::fclose(file);
  return text;
}

void add(std::atomic<int>* to, int amount) { *to += amount; }

TEST_CASE("process: runs a function with its arguments in a process of its own") {
  const SharedInt sum;
  Process p(add, sum.value, 5);
  CHECK(p.pid() == 0);
  CHECK(!p.is_alive());
  CHECK(!p.exitcode());

  p.start();
  p.join();

  CHECK(*sum.value == 5);
  CHECK(p.pid() > 0);
  CHECK(p.exitcode() == 0);
}

TEST_CASE(
    "process: takes a lambda with captures, a move-only argument, and a reference to the child's copy") {
  const SharedInt sum;
  const auto* captured = sum.value;
  std::string local = "parent";
  Process captures([captured, &local, to = sum.value] {
    local = "child";
    *to += captured == to ? 1 : 100;
  });
  Process moved([to = sum.value](std::unique_ptr<int> n) { *to += *n; }, std::make_unique<int>(10));
  Process reference([to = sum.value](int& n) { *to += ++n; }, 99);
  for (Process* p : {&captures, &moved, &reference}) p->start();
  for (Process* p : {&captures, &moved, &reference}) p->join();
  CHECK(*sum.value == 111);
  CHECK(local == "parent");
}

TEST_CASE("process: join with a time says whether it has ended") {
  Process p(sleep_for_ever);
  p.start();
  CHECK(!p.join(20ms));
  CHECK(!p.join(0s));
  CHECK(p.is_alive());
  CHECK(!p.exitcode());
  p.kill();
  CHECK(p.join(std::chrono::hours::max()));
  CHECK(p.join(0.5s));
  CHECK(!p.is_alive());
  CHECK(p.exitcode() == -SIGKILL);
  p.terminate();  // nothing to hit any more
}

TEST_CASE("process: terminate ends it by SIGTERM, as its exit code tells") {
  const DefaultSigterm as_by_default;
  Process p(sleep_for_ever);
  p.start();
  p.terminate();
  p.join();
  CHECK(p.exitcode() == -SIGTERM);
}

TEST_CASE("process: exit() in the child is its exit code") {
  Process p([] { ::_exit(37); });
  p.start();
  p.join();
  CHECK(p.exitcode() == 37);
}

TEST_CASE("process: an exception is told on stderr with its type and message, exit code 1") {
  std::string pid;
  const std::string text = written_to(2, [&] {
    Process p([] { throw std::out_of_range("no seventh"); });
    p.start();
    p.join();
    pid = std::to_string(p.pid());
    CHECK(p.exitcode() == 1);
    Process other([] { throw 7; });
    other.start();
    other.join();
    CHECK(other.exitcode() == 1);
  });
  CHECK(text.find("Process " + pid + ": std::out_of_range: no seventh\n") == 0);
  CHECK(text.find(": int: ") != std::string::npos);
}

TEST_CASE("process: what stdio and iostream held is printed once, the child's prints too") {
  const std::string text = written_to(1, [] {
    std::printf("parent ");
    std::cout << "stream ";
    Process p([] {
      std::printf("child ");
      std::cout << "childstream ";
    });
    p.start();
    p.join();
  });
  CHECK(text == "parent stream child childstream ");
}

TEST_CASE("process: the destructor joins, and terminates a daemon") {
  const DefaultSigterm as_by_default;
  const SharedInt count;
  {
    Process p([to = count.value] {
      std::this_thread::sleep_for(30ms);
      *to = 1;
    });
    p.start();
  }
  CHECK(*count.value == 1);
  pid_t pid = 0;
  {
    Process p(sleep_for_ever);
    p.daemon(true);
    CHECK(p.daemon());
    p.start();
    pid = p.pid();
  }
  CHECK(::kill(pid, 0) < 0);
}

TEST_CASE("process: many at once, moved into a vector") {
  const SharedInt sum;
  {
    std::vector<Process> all;
    for (int i = 0; i < 20; ++i) all.emplace_back(add, sum.value, i);
    for (auto& p : all) p.start();
  }
  CHECK(*sum.value == 190);
}

TEST_CASE("process: a wrong order of calls is a logic_error") {
  Process p(sleep_for_ever);
  CHECK_THROWS_AS(p.join(), std::logic_error);
  CHECK_THROWS_AS(p.kill(), std::logic_error);
  p.start();
  CHECK_THROWS_AS(p.start(), std::logic_error);
  p.kill();
}

TEST_CASE("process: a child's copy of a process leaves it alone, and a child has processes of its own") {
  const SharedInt seen;
  Process sleeper(sleep_for_ever);
  sleeper.start();
  Process child([&] {
    if (!sleeper.is_alive() && !sleeper.exitcode()) *seen.value += 1;
    try {
      sleeper.kill();
    } catch (const std::logic_error&) {
      *seen.value += 10;
    }
    Process mine(add, seen.value, 100);
    mine.start();
    mine.join();
    Process dropped = std::move(sleeper);  // its destructor neither waits nor kills
  });
  child.start();
  child.join();
  CHECK(*seen.value == 111);
  CHECK(sleeper.is_alive());
  sleeper.kill();
}

TEST_CASE("process: several threads may wait for one") {
  Process p(sleep_for_ever);
  p.start();
  std::atomic<int> ended = 0;
  std::vector<std::thread> waiting;
  for (int i = 0; i < 4; ++i)
    waiting.emplace_back([&] {
      p.join();
      ended += p.exitcode() == -SIGKILL;
    });
  p.kill();
  for (auto& thread : waiting) thread.join();
  CHECK(ended == 4);
}

TEST_CASE("process: whoever takes its status away leaves no exit code, and nothing hangs") {
  Process p([] {});
  p.start();
  REQUIRE(::waitpid(p.pid(), nullptr, 0) == p.pid());
  p.join();
  CHECK(!p.is_alive());
  CHECK(!p.exitcode());
}

}  // namespace
}  // namespace tine
