#include "core/shared/rlock.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "core/shared/array.hpp"
#include "core/shared/step.hpp"
#include "tests/support/child.hpp"
#include "tests/support/eventually.hpp"

using namespace std::chrono_literals;

namespace tine::shared {
namespace {

using test::Child;
using test::eventually;

RLock make_rlock() {
  auto lock = RLock::anonymous();
  REQUIRE(lock);
  return std::move(*lock);
}
bool is_free_for_others(RLock& lock) {
  Child other([&] { return lock.acquire(Clock::now()) ? 0 : 1; });
  return other.wait() == 0;
}

TEST_CASE("rlock: its owner may take it again, and frees it with the last release") {
  auto lock = make_rlock();
  REQUIRE(lock.acquire());
  REQUIRE(lock.acquire());
  CHECK(lock.state().owner == this_thread());
  CHECK(lock.state().depth == 2);
  CHECK(lock.release());
  CHECK_FALSE(is_free_for_others(lock));
  CHECK(lock.release());
  CHECK_FALSE(lock.is_held_by_this_thread());
  CHECK((lock.release().error().code == Errc::not_permitted));
  CHECK(is_free_for_others(lock));
}

TEST_CASE("rlock: another thread of the same process waits, and may not release it") {
  auto lock = make_rlock();
  REQUIRE(lock.acquire());
  std::thread([&] {
    CHECK_FALSE(lock.acquire(Clock::now() + 20ms));
    CHECK_FALSE(lock.release());
  }).join();
  CHECK(lock.release());
}

TEST_CASE("rlock: an owner that ended is succeeded within a second, however it ended") {
  auto lock = make_rlock();
  const auto dies = [&](const std::function<void()>& how) {
    Child owner([&] {
      (void)lock.acquire();
      (void)lock.acquire();
      (void)lock.acquire();
      how();
      return 0;
    });
    REQUIRE(eventually([&] { return pid_of(lock.state().owner) == owner.pid(); }));
    return owner;
  };
  SUBCASE("exit") {
    auto owner = dies([] {});
    REQUIRE(lock.acquire(Clock::now() + 1s));
  }
  SUBCASE("kill -9 at depth 3, not reaped") {
    auto owner = dies([] { ::kill(::getpid(), SIGKILL); });
    REQUIRE(lock.acquire(Clock::now() + 1s));
  }
  SUBCASE("exec") {
    auto owner = dies([] { ::execl("/bin/sleep", "sleep", "60", nullptr); });
    REQUIRE(lock.acquire(Clock::now() + 1s));
    CHECK(::kill(owner.pid(), 0) == 0);
  }
  SUBCASE("a thread that ends") {
    std::thread([&] { CHECK(lock.acquire()); }).join();
    REQUIRE(lock.acquire(Clock::now() + 1s));
  }
  CHECK(lock.owner_died());
  CHECK(lock.release());
  REQUIRE(lock.acquire());
  CHECK_FALSE(lock.owner_died());
  CHECK(lock.release());
}

TEST_CASE("rlock: a stopped owner keeps it") {
  auto lock = make_rlock();
  Child owner([&] {
    (void)lock.acquire();
    ::raise(SIGSTOP);
    return lock.release() ? 0 : 1;
  });
  int status = 0;
  ::waitpid(owner.pid(), &status, WUNTRACED);
  CHECK_FALSE(lock.acquire(Clock::now() + 700ms));
  owner.send(SIGCONT);
  CHECK(lock.acquire(Clock::now() + 5s));
  CHECK(owner.wait() == 0);
  CHECK_FALSE(lock.owner_died());
}

TEST_CASE("rlock: twenty waiters all get it, in a row that one tight loop does not break") {
  auto lock = make_rlock();
  auto turns = *Array::anonymous('l', 21);
  REQUIRE(lock.acquire());
  std::vector<std::unique_ptr<Child>> waiters;
  for (std::uint64_t i = 0; i < 20; ++i) {
    waiters.push_back(std::make_unique<Child>([&, i] {
      for (int turn = 0; turn < 20; ++turn) {
        if (!lock.acquire(Clock::now() + 30s)) return 1;
        (void)turns.add(i, Element(std::int64_t{1}));
        (void)lock.release();
      }
      return 0;
    }));
  }
  REQUIRE(eventually([&] { return lock.state().waiters == 20; }));
  CHECK(lock.release());
  std::int64_t mine = 0;
  for (; waiters.back()->pid() && mine < 200; ++mine) {
    REQUIRE(lock.acquire(Clock::now() + 30s));
    CHECK(lock.release());
  }
  for (auto& waiter : waiters) CHECK(waiter->wait() == 0);
  for (std::uint64_t i = 0; i < 20; ++i) CHECK(std::get<std::int64_t>(*turns.get(i)) == 20);
  CHECK(lock.state().waiters == 0);
}

TEST_CASE("rlock: more waiters than it has places all get it") {
  auto lock = make_rlock();
  REQUIRE(lock.acquire());
  std::vector<std::unique_ptr<Child>> waiters;
  for (std::size_t i = 0; i < LockRecord::waiters_max + 20; ++i)
    waiters.push_back(
        std::make_unique<Child>([&] { return lock.acquire(Clock::now() + 60s) && lock.release() ? 0 : 1; }));
  REQUIRE(eventually([&] { return lock.state().waiters == LockRecord::waiters_max; }));
  CHECK(lock.release());
  for (auto& waiter : waiters) CHECK(waiter->wait() == 0);
}

TEST_CASE("rlock: a waiter that is stopped, killed or gives up at its turn does not hold up the next") {
  auto lock = make_rlock();
  REQUIRE(lock.acquire());
  const auto waits = [&] { return lock.acquire(Clock::now() + 30s) && lock.release() ? 0 : 1; };
  Child stopped(waits);
  REQUIRE(eventually([&] { return lock.state().waiters == 1; }));
  Child killed(waits);
  REQUIRE(eventually([&] { return lock.state().waiters == 2; }));
  Child last(waits);
  REQUIRE(eventually([&] { return lock.state().waiters == 3; }));
  stopped.send(SIGSTOP);
  int status = 0;
  ::waitpid(stopped.pid(), &status, WUNTRACED);
  killed.send(SIGKILL);
  CHECK(lock.release());
  const auto begin = Clock::now();
  CHECK(last.wait() == 0);
  CHECK(Clock::now() - begin < 1s);
  stopped.send(SIGCONT);
  CHECK(stopped.wait() == 0);
}

TEST_CASE("rlock: an owner and a waiter killed at every step leave it to others, whole") {
  auto value = *Array::anonymous('l', 1);
  for (int n = 1;; ++n) {
    auto lock = make_rlock();
    const bool killed = test::killed_at_step(n, [&] {
      if (lock.acquire() && lock.acquire() && lock.release()) (void)lock.release();
    });
    CHECK(lock.acquire(Clock::now() + 1s));
    CHECK(lock.state().depth == 1);
    CHECK(lock.release());
    CHECK(lock.state().owner == 0);
    if (!killed) break;
  }
  for (int n = 1;; ++n) {
    auto lock = make_rlock();
    REQUIRE(lock.acquire());
    // It waits for 20 ms and leaves, or is killed on the way.
    const bool killed = test::killed_at_step(n, [&] { (void)lock.acquire(Clock::now() + 20ms); });
    CHECK(lock.release());
    CHECK(is_free_for_others(lock));
    CHECK(lock.acquire(Clock::now() + 1s));
    CHECK(lock.release());
    if (!killed) break;
  }
}

TEST_CASE("rlock: holders and waiters killed hundreds of times exclude each other and nobody hangs") {
  auto lock = make_rlock();
  auto inside = *Array::anonymous('l', 2);  // [0] who is inside, [1] how often two were
  auto entries = *Array::anonymous('l', 1);
  std::vector<std::unique_ptr<Child>> users;
  const auto user = [&] {
    const auto self = static_cast<std::int64_t>(::getpid());
    for (;;) {
      if (!lock.acquire(Clock::now() + 10s)) return 1;
      const auto before = std::get<std::int64_t>(*inside.get(0));
      if (before != 0 && !lock.owner_died()) (void)inside.add(1, Element(std::int64_t{1}));
      (void)inside.set(0, Element(self));
      (void)entries.add(0, Element(std::int64_t{1}));
      if (std::get<std::int64_t>(*inside.get(0)) != self) (void)inside.add(1, Element(std::int64_t{1}));
      (void)inside.set(0, Element(std::int64_t{0}));
      if (!lock.release()) return 2;
    }
  };
  for (int i = 0; i < 6; ++i) users.push_back(std::make_unique<Child>(user));
  for (int kills = 0; kills < 400; ++kills) {
    auto& victim = users[static_cast<std::size_t>(kills) % users.size()];
    ::usleep(1500 + static_cast<unsigned>(kills * 37 % 900));
    victim->send(SIGKILL);
    CHECK(victim->wait() == 1000 + SIGKILL);
    victim = std::make_unique<Child>(user);
  }
  users.clear();
  CHECK(std::get<std::int64_t>(*inside.get(1)) == 0);
  CHECK(std::get<std::int64_t>(*entries.get(0)) > 400);
  CHECK(lock.acquire(Clock::now() + 1s));
}

struct InJob {
  explicit InJob(const char* id) {
    ::setenv("TINE_JOB_ID", id, 1);
    ::setenv("TINE_ATTEMPT", "1", 1);
  }
  ~InJob() {
    ::unsetenv("TINE_JOB_ID");
    ::unsetenv("TINE_ATTEMPT");
  }
};

TEST_CASE(
    "rlock: what a job acquired outlives the process that did, is entered by the job alone, and ends with "
    "it") {
  const test::StateDir state;
  const auto folder = *Folder::open(state.path());
  auto lock = *RLock::open_or_create(folder, "l");
  const auto job = owner_of_job(7, 1);
  {
    Child leader([&] {
      const InJob in_job("7");
      Child member([&] { return lock.acquire_for_job(job, 0) ? 0 : 1; });
      if (member.wait() != 0) return 1;
      // Straight through, and two of the job exclude each other.
      Child inside([&] {
        if (!lock.acquire(Clock::now())) return 2;
        if (lock.state().depth != 2) return 3;
        Child sibling([&] { return lock.acquire(Clock::now() + 50ms) ? 4 : 0; });
        const int code = sibling.wait();
        return lock.release() ? code : 5;
      });
      return inside.wait();
    });
    CHECK(leader.wait() == 0);
  }
  CHECK(lock.state().owner == job);
  CHECK_FALSE(lock.acquire(Clock::now() + 50ms));
  CHECK_FALSE(lock.free_if_ended(owner_of_job(8, 1)));
  CHECK(lock.acquire_for_job(job, 0, Clock::now()));
  CHECK(lock.state().depth == 2);
  CHECK(lock.release_for_job(job));
  CHECK(lock.state().owner == job);
  CHECK(lock.free_if_ended(job));
  CHECK(lock.acquire(Clock::now()));
  CHECK(lock.owner_died());
  CHECK(lock.release());
  CHECK((lock.release_for_job(job).error().code == Errc::not_permitted));
}

TEST_CASE("rlock: a job whose witness has ended is succeeded without a daemon") {
  auto lock = make_rlock();
  Child leader([&] { return lock.acquire_for_job(owner_of_job(7, 1), this_process()) ? 0 : 1; });
  CHECK(leader.wait() == 0);
  CHECK(lock.acquire(Clock::now() + 1s));
}

TEST_CASE("rlock: a function's thread that lives on after its job does not keep the job's lock") {
  const test::StateDir state;
  const auto folder = *Folder::open(state.path());
  auto lock = *RLock::open_or_create(folder, "l");
  {
    const InJob in_job("9");
    REQUIRE(lock.acquire());
  }
  CHECK(lock.free_if_ended(owner_of_job(9, 1)));
  CHECK(is_free_for_others(lock));
  CHECK_FALSE(lock.release());
}

TEST_CASE("rlock: who is below an owner enters, a killed one gives it back to who was around it") {
  auto lock = make_rlock();
  REQUIRE(lock.acquire());
  const auto around = environment_with_owner(this_thread());
  const auto enter = [&](const std::function<int()>& then) {
    return [&lock, around, then] {
      ::putenv(const_cast<char*>(around.c_str()));
      return lock.acquire(Clock::now() + 5s) ? then() : 1;
    };
  };
  CHECK_FALSE(is_free_for_others(lock));
  Child killed(enter([&] { return ::kill(::getpid(), SIGKILL); }));
  CHECK(killed.wait() == 1000 + SIGKILL);
  Child entered(enter([&] { return lock.state().depth == 2 && lock.release() ? 0 : 2; }));
  CHECK(entered.wait() == 0);
  CHECK(lock.state().owner == this_thread());
  CHECK(lock.state().depth == 1);
  SUBCASE("an outer owner that leaves first leaves it to the inner one") {
    Child inner(enter([&] {
      ::raise(SIGSTOP);
      return lock.release() ? 0 : 3;
    }));
    int status = 0;
    ::waitpid(inner.pid(), &status, WUNTRACED);
    CHECK(lock.release());
    CHECK(pid_of(lock.state().owner) == inner.pid());
    CHECK_FALSE(is_free_for_others(lock));
    inner.send(SIGCONT);
    CHECK(inner.wait() == 0);
  }
  SUBCASE("it goes on") { CHECK(lock.release()); }
  CHECK(is_free_for_others(lock));
}

}  // namespace
}  // namespace tine::shared
