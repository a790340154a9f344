#include <doctest/doctest.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <list>
#include <map>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <tine/pool.hpp>
#include <tine/process.hpp>
#include <vector>

#include "core/base/file.hpp"
#include "core/base/unique_fd.hpp"
#include "core/process/pidfd.hpp"
#include "core/process/process_tree.hpp"
#include "tests/support/eventually.hpp"

using namespace std::chrono_literals;

namespace tine {
namespace {

using test::eventually;

/// Counters that test, workers and processes share; made before all pools.
struct Shared {
  std::atomic<int> now{0}, most{0}, count{0}, go{0};
  std::atomic<pid_t> pids[8];
};
Shared& shared =
    *new (::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) Shared;

int add_hundred(int i) { return i + 100; }
int fail(int i) { throw std::out_of_range("no " + std::to_string(i)); }
void sleep_ms(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }
[[noreturn]] int die(int) {
  ::kill(::getpid(), SIGKILL);
  for (;;) ::pause();
}
pid_t own_pid() { return ::getpid(); }
/// Ends when the test says so.
int wait_for_go(int i) {
  ++shared.count;
  while (shared.go == 0) sleep_ms(1);
  return i;
}

/// Resets the counters; when the test is over, nobody waits.
struct Fresh {
  Fresh() { shared.now = shared.most = shared.count = shared.go = 0; }
  ~Fresh() { shared.go = 1; }
};

bool is_gone(pid_t pid) { return ::kill(pid, 0) < 0 && errno == ESRCH; }

void kill_process(pid_t pid, pid_t parent) {
  const UniqueFd fd(::pidfd_open(pid, 0));
  if (!fd) return;
  for (const pid_t child : children_of(parent))
    if (child == pid) ::pidfd_send_signal(fd.get(), SIGKILL, nullptr, 0);
}

/// Waits until all other threads of this process sleep. A fork while one is in its allocator hangs the child
/// under the address sanitizer of gcc 12 (not with glibc's malloc).
void wait_for_quiet() {
  CHECK(eventually([] {
    for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
      if (thread.path().filename() == std::to_string(::gettid())) continue;
      const auto stat = read_file(thread.path() / "stat");
      if (stat && stat->find(") S ") == std::string::npos) return false;
    }
    return true;
  }));
}

/// A pool's zygote: the parent of a worker.
pid_t zygote_of(Pool& pool) {
  return pool.apply([] { return ::getppid(); });
}

// ---- calls

TEST_CASE("pool: apply gives back what the function returned") {
  CHECK(Pool().size() > 0);
  Pool pool(2);
  CHECK(pool.apply(add_hundred, 1) == 101);
  CHECK(pool.apply([](int a, double b) { return a * b; }, 3, 0.5) == 1.5);
  CHECK(pool.apply([](const std::string& text) { return text + "!"; }, "hi") == "hi!");
  CHECK(pool.apply([](auto a, auto b) { return a + b; }, 1, 2L) == 3);
  CHECK(pool.apply([](std::map<std::string, int> m) { return m.at("a"); },
                   std::map<std::string, int>{{"a", 7}}) == 7);
  CHECK(pool.apply(own_pid) != ::getpid());
  pool.apply(sleep_ms, 0);
}

TEST_CASE("pool: long arguments and results travel whole") {
  Pool pool(2);
  for (const std::size_t size : {0, 439, 440, 441, 448, 449, 5'000'000}) {
    const std::string text(size, 'x');
    CHECK(pool.apply([](std::string t) { return t + t; }, text) == text + text);
    CHECK(pool.apply_async([](std::string t) { return t; }, text).get() == text);
  }
}

TEST_CASE("pool: an exception comes back with its type's name and its message") {
  Pool pool(1);
  try {
    pool.apply(fail, 7);
    FAIL("nothing was thrown");
  } catch (const RemoteError& error) {
    CHECK(error.type_name() == "std::out_of_range");
    CHECK(std::string(error.what()) == "no 7");
  }
  try {
    pool.apply([] { throw 7; });
    FAIL("nothing was thrown");
  } catch (const RemoteError& error) {
    CHECK(error.type_name() == "int");
  }
  CHECK_THROWS_WITH_AS(pool.apply([](int n) { throw std::runtime_error(std::string(n, 'm')); }, 10'000),
                       std::string(10'000, 'm').c_str(), RemoteError);
  CHECK(pool.apply(add_hundred, 1) == 101);
}

TEST_CASE("pool: an AsyncResult tells when it is ready and what came") {
  const Fresh fresh;
  Pool pool(1);
  auto later = pool.apply_async(wait_for_go, 5);
  CHECK(!later.ready());
  CHECK(!later.wait(10ms));
  CHECK_THROWS_AS(later.get(10ms), TimeoutError);
  CHECK_THROWS_AS(later.successful(), std::logic_error);
  shared.go = 1;
  CHECK(later.get(20s) == 5);
  CHECK(later.get() == 5);
  CHECK(later.ready());
  CHECK(later.successful());

  auto failed = pool.apply_async(fail, 1);
  failed.wait();
  CHECK(!failed.successful());
  CHECK_THROWS_AS(failed.get(), RemoteError);
  CHECK_THROWS_AS(failed.get(), RemoteError);
}

TEST_CASE("pool: never more calls at once than workers, and all of them used") {
  const Fresh fresh;
  Pool pool(5);
  pool.map(
      [](int) {
        const int now = ++shared.now;
        int most = shared.most;
        while (now > most && !shared.most.compare_exchange_weak(most, now)) {
        }
        eventually([] { return shared.most >= 5; });  // the first five wait for each other
        sleep_ms(5);
        --shared.now;
      },
      std::vector<int>(20));
  CHECK(shared.most == 5);
}

TEST_CASE("pool: a free worker does not wait behind a busy one") {
  const Fresh fresh;
  Pool pool(2);
  auto busy = pool.apply_async(wait_for_go, 1);
  for (int i = 0; i < 50; ++i) CHECK(pool.apply_async(add_hundred, i).get(20s) == i + 100);
  shared.go = 1;
  CHECK(busy.get() == 1);
}

TEST_CASE("pool: more calls than the ring has slots wait for their turn") {
  Pool pool(2);
  std::vector<AsyncResult<int>> results;
  for (int i = 0; i < 5000; ++i) results.push_back(pool.apply_async(add_hundred, i));
  int right = 0;
  for (int i = 0; i < 5000; ++i) right += results[static_cast<std::size_t>(i)].get() == i + 100;
  CHECK(right == 5000);
}

// ---- callbacks

TEST_CASE("pool: callbacks run here, on one thread, before the call is ready and before join is back") {
  Pool pool(3);
  std::set<std::thread::id> threads;
  std::multiset<int> got;
  for (int i = 0; i < 100; ++i)
    pool.apply_async(add_hundred, i, [&](int result) {
      threads.insert(std::this_thread::get_id());
      got.insert(result);
    });
  bool before = false;
  auto last = pool.apply_async(sleep_ms, 1, [&] { before = true; });
  last.get();
  CHECK(before);
  pool.close();
  pool.join();
  CHECK(threads.size() == 1);
  CHECK(*threads.begin() != std::this_thread::get_id());
  CHECK(got.size() == 100);
  CHECK(*got.rbegin() == 199);
}

TEST_CASE("pool: a callback may submit and wait; one that throws costs nothing") {
  Pool pool(1);
  int nested = 0;
  auto unique = std::make_unique<int>(5);
  auto first = pool.apply_async(add_hundred, 1, [&, held = std::move(unique)](int result) {
    nested = pool.apply(add_hundred, result + *held) + pool.apply_async(add_hundred, 0).get();
    throw std::runtime_error("told on stderr");
  });
  first.wait();
  CHECK(nested == 306);
  CHECK(pool.apply(add_hundred, 1) == 101);
  CHECK(first.successful());
}

TEST_CASE("pool: a callback that would wait for itself is told so") {
  Pool pool(1);
  int told = 0;
  std::atomic<bool> submitted = false;
  std::vector<AsyncResult<int>> results;
  results.push_back(pool.apply_async(add_hundred, 1, [&](int) {
    while (!submitted) sleep_ms(1);
    try {
      results[1].get();
    } catch (const std::logic_error&) {
      ++told;
    }
    try {
      pool.join();
    } catch (const std::logic_error&) {
      ++told;
    }
  }));
  results.push_back(pool.apply_async(add_hundred, 2, [](int) {}));
  submitted = true;
  pool.close();
  pool.join();
  CHECK(told == 2);
}

TEST_CASE("pool: a slow callback holds up no call and no replacement") {
  std::atomic<bool> go = false;
  Pool pool(1);
  pool.apply_async(add_hundred, 1, [&](int) {
    while (!go) sleep_ms(1);
  });
  CHECK_THROWS_AS(pool.apply(die, 1), WorkerDied);
  CHECK(pool.apply_async(add_hundred, 2).get(20s) == 102);
  go = true;
}

TEST_CASE("pool: a function that failed has no callback") {
  Pool pool(1);
  bool called = false;
  auto failed = pool.apply_async(fail, 1, [&](int) { called = true; });
  failed.wait();
  pool.close();
  pool.join();
  CHECK(!called);
}

TEST_CASE("pool: apply_async_with takes the callback of a generic function") {
  Pool pool(1);
  int got = 0;
  pool.apply_async_with([&](int sum) { got = sum; }, [](auto... n) { return (n + ... + 0); }, 1, 2, 3).get();
  CHECK(got == 6);
}

// ---- many

TEST_CASE("pool: map keeps the order, and takes any range") {
  Pool pool(3);
  std::vector<int> expected;
  for (int i = 0; i < 1001; ++i) expected.push_back(i + 100);
  CHECK(pool.map(add_hundred, std::views::iota(0, 1001)) == expected);
  CHECK(pool.map(add_hundred, std::list<short>{1, 2}) == std::vector{101, 102});
  CHECK(pool.map(add_hundred, {5}) == std::vector{105});
  CHECK(pool.map(add_hundred, std::vector<int>{}).empty());
  CHECK(pool.map([](std::string s) { return s + s; }, std::vector{"a", "b"}) ==
        std::vector<std::string>{"aa", "bb"});
  CHECK(pool.map([](int i) { return i > 1; }, {1, 2}) == std::vector<bool>{false, true});
  auto odd = std::views::iota(0, 10) | std::views::filter([](int i) { return i % 2 == 1; });
  CHECK(pool.map(add_hundred, odd).size() == 5);
  CHECK(pool.starmap([](std::string s, int n) { return s + std::to_string(n); },
                     {std::pair{"a", 1}, std::pair{"b", 2}}) == std::vector<std::string>{"a1", "b2"});
}

TEST_CASE("pool: map throws the first failure, after all have ended") {
  const Fresh fresh;
  Pool pool(2);
  const auto f = [](int i) {
    ++shared.count;
    if (i == 3 || i == 5) throw std::out_of_range(std::to_string(i));
    return i;
  };
  CHECK_THROWS_WITH_AS(pool.map(f, std::views::iota(0, 8)), "3", RemoteError);
  CHECK(shared.count == 8);
}

TEST_CASE("pool: imap is lazy: it takes a bounded number ahead from an endless input") {
  Pool pool(2);
  int consumed = 0;
  auto endless = std::views::iota(0) | std::views::transform([&](int i) { return ++consumed, i; });
  int expected = 100;
  for (int x : pool.imap(add_hundred, endless)) {
    CHECK(x == expected);
    CHECK(consumed <= expected - 100 + 20);
    if (++expected == 200) break;
  }
  CHECK(pool.apply(add_hundred, 1) == 101);  // what was ahead is dropped without harm
}

TEST_CASE("pool: imap goes on after an item that failed, imap_unordered gives all as they end") {
  Pool pool(2);
  const auto f = [](int i) { return i % 3 == 1 ? throw std::out_of_range("x") : i; };
  std::vector<int> good;
  int bad = 0;
  auto results = pool.imap(f, std::vector{0, 1, 2, 3, 4, 5});
  for (auto at = results.begin(); at != results.end(); ++at) {
    try {
      good.push_back(*at);
    } catch (const RemoteError&) {
      ++bad;
    }
  }
  CHECK(good == std::vector{0, 2, 3, 5});
  CHECK(bad == 2);

  const Fresh fresh;
  std::vector<int> order;
  for (int x : pool.imap_unordered([](int i) { return i == 0 ? wait_for_go(0) : i; }, std::vector{0, 1, 2})) {
    order.push_back(x);
    if (order.size() == 2) shared.go = 1;
  }
  CHECK(std::set(order.begin(), order.end()) == std::set{0, 1, 2});
  CHECK(order.back() == 0);
  for (std::monostate nothing : pool.imap(sleep_ms, std::vector{0, 0})) CHECK(nothing == std::monostate{});
}

// ---- the ends

TEST_CASE("pool: join of an open pool and a call to a closed one are logic_errors") {
  Pool pool(1);
  CHECK_THROWS_AS(pool.join(), std::logic_error);
  auto before = pool.apply_async(add_hundred, 1);
  pool.close();
  pool.close();
  CHECK_THROWS_AS(pool.apply(add_hundred, 1), std::logic_error);
  CHECK_THROWS_AS(pool.apply_async(add_hundred, 1), std::logic_error);
  CHECK_THROWS_AS(pool.map(add_hundred, {1}), std::logic_error);
  pool.join();
  pool.join();
  CHECK(before.get() == 101);
  CHECK_THROWS_AS(Pool(1025), std::invalid_argument);
}

TEST_CASE("pool: close and join run all that was submitted, and no process is left") {
  const Fresh fresh;
  Pool pool(2);
  const pid_t zygote = zygote_of(pool);
  for (int i = 0; i < 1000; ++i) pool.apply_async([](int) { ++shared.count; }, i);
  pool.close();
  pool.join();
  CHECK(shared.count == 1000);
  CHECK(is_gone(zygote));
}

TEST_CASE("pool: terminate ends at once; what has no answer is WorkerDied") {
  const Fresh fresh;
  std::vector<AsyncResult<int>> results;
  pid_t worker = 0, zygote = 0;
  bool called = false;
  {
    Pool pool(1);
    worker = pool.apply(own_pid);
    zygote = zygote_of(pool);
    for (int i = 0; i < 1000; ++i)
      results.push_back(pool.apply_async(wait_for_go, i, [&](int) { called = true; }));
    std::thread waiting([&] { CHECK_THROWS_AS(pool.apply(wait_for_go, 1), WorkerDied); });
    CHECK(eventually([] { return shared.count == 1; }));
    sleep_ms(20);
    pool.terminate();
    waiting.join();
    CHECK(results[0].ready());
    CHECK_THROWS_AS(pool.apply(add_hundred, 1), std::logic_error);
    pool.join();
  }
  for (auto& result : results) CHECK_THROWS_AS(result.get(), WorkerDied);
  CHECK(!called);
  CHECK(is_gone(worker));
  CHECK(is_gone(zygote));
}

TEST_CASE("pool: destroying an open pool terminates it, its results stay to be read") {
  const Fresh fresh;
  std::optional<AsyncResult<int>> done, open;
  {
    Pool pool(2);
    done = pool.apply_async(add_hundred, 1);
    done->wait();
    open = pool.apply_async(wait_for_go, 1);
  }
  CHECK(done->get() == 101);
  CHECK_THROWS_AS(open->get(), WorkerDied);
}

TEST_CASE("pool: a callback may terminate its pool") {
  Pool pool(2);
  pool.apply_async(add_hundred, 1, [&](int) { pool.terminate(); }).get();
  CHECK(eventually([&] {
    try {
      pool.apply(add_hundred, 1);
      return false;
    } catch (const std::logic_error&) {
      return true;
    } catch (const WorkerDied&) {
      return false;
    }
  }));
}

// ---- deaths

TEST_CASE("pool: a killed worker costs its own call, and another takes its place") {
  const Fresh fresh;
  Pool pool(2);
  auto other = pool.apply_async(wait_for_go, 1);
  CHECK(eventually([] { return shared.count == 1; }));
  auto dying = pool.apply_async(die, 1);
  std::vector<AsyncResult<int>> behind;
  for (int i = 0; i < 20; ++i) behind.push_back(pool.apply_async(add_hundred, i));
  CHECK_THROWS_AS(dying.get(20s), WorkerDied);
  for (int i = 0; i < 20; ++i) CHECK(behind[static_cast<std::size_t>(i)].get(20s) == i + 100);
  shared.go = 1;
  CHECK(other.get() == 1);
  CHECK_THROWS_AS(pool.apply(die, 1), WorkerDied);
  CHECK_THROWS_AS(pool.map(die, {1, 2}), WorkerDied);
  CHECK(pool.apply(add_hundred, 1) == 101);
}

TEST_CASE("pool: how a worker died is told") {
  Pool pool(1);
  const auto why = [&](auto f) -> std::string {
    try {
      pool.apply(f);
    } catch (const WorkerDied& error) {
      return error.what();
    }
    return "";
  };
  const pid_t pid = pool.apply(own_pid);
  CHECK(why([] { ::kill(::getpid(), SIGKILL); }) ==
        "worker " + std::to_string(pid) + " was killed by SIGKILL");
  CHECK(why([] { ::_exit(3); }).ends_with("exited with status 3"));
  CHECK(why([] {
          ::signal(SIGABRT, SIG_DFL);
          std::abort();
        }).ends_with("was killed by SIGABRT"));
}

TEST_CASE("pool: all workers killed again and again, and every call is answered") {
  Pool pool(3);
  for (int round = 0; round < 10; ++round) {
    std::vector<AsyncResult<int>> dying;
    for (int i = 0; i < 3; ++i) dying.push_back(pool.apply_async(die, i));
    auto after = pool.apply_async(add_hundred, round);
    for (auto& result : dying) CHECK_THROWS_AS(result.get(20s), WorkerDied);
    CHECK(after.get(20s) == round + 100);
  }
}

TEST_CASE("pool: an idle worker that is killed costs nothing") {
  Pool pool(2);
  const pid_t zygote = zygote_of(pool);
  for (int round = 0; round < 10; ++round) {
    for (const pid_t worker : children_of(zygote)) kill_process(worker, zygote);
    CHECK(eventually([&] {
      try {
        return pool.apply(add_hundred, 1) == 101;
      } catch (const WorkerDied&) {
        return false;  // it had begun the call when the signal came
      }
    }));
  }
}

TEST_CASE("pool: when its zygote is killed every call is WorkerDied, and nothing hangs") {
  const Fresh fresh;
  Pool pool(2);
  const pid_t zygote = zygote_of(pool);
  std::vector<AsyncResult<int>> waiting;
  for (int i = 0; i < 1000; ++i) waiting.push_back(pool.apply_async(wait_for_go, i));
  std::thread in_apply([&] { CHECK_THROWS_AS(pool.apply(wait_for_go, 1), WorkerDied); });
  CHECK(eventually([] { return shared.count == 2; }));
  kill_process(zygote, ::getpid());
  for (auto& call : waiting) CHECK_THROWS_AS(call.get(20s), WorkerDied);
  in_apply.join();
  CHECK_THROWS_AS(pool.apply(add_hundred, 1), WorkerDied);
  CHECK_THROWS_AS(pool.apply_async(add_hundred, 1).get(20s), WorkerDied);
  pool.close();
  pool.join();
}

TEST_CASE("pool: what a task forked is killed with its worker") {
  const Fresh fresh;
  Pool pool(1);
  CHECK_THROWS_AS(pool.apply([] {
    if (const pid_t pid = ::fork(); pid == 0) {
      ::setsid();
      for (;;) ::pause();
    } else {
      shared.pids[0] = pid;
    }
    ::kill(::getpid(), SIGKILL);
  }),
                  WorkerDied);
  CHECK(is_gone(shared.pids[0]));
}

TEST_CASE("pool: a worker killed -9 every 50 ms during 100,000 calls leaves each with exactly one answer") {
  constexpr int calls = 100'000;
  Pool pool(2);
  const pid_t zygote = zygote_of(pool);
  std::atomic<bool> over = false;
  std::atomic<int> kills = 0;
  std::thread killer([&] {
    for (std::size_t i = 0; !over; ++i) {
      sleep_ms(50);
      const auto workers = children_of(zygote);
      if (workers.empty()) continue;
      kill_process(workers[i % workers.size()], zygote);
      ++kills;
    }
  });
  const auto work = [](int i) {
    const auto until = std::chrono::steady_clock::now() + 20us;
    while (std::chrono::steady_clock::now() < until) {
    }
    return i + 100;
  };
  std::vector<int> called(calls);
  std::vector<AsyncResult<int>> results;
  for (int i = 0; i < calls; ++i)
    results.push_back(
        pool.apply_async(work, i, [&called, i](int) { ++called[static_cast<std::size_t>(i)]; }));
  int right = 0, died = 0, wrong = 0;
  for (int i = 0; i < calls; ++i) {
    try {
      const bool is_right = results[static_cast<std::size_t>(i)].get(60s) == i + 100;
      ++(is_right && called[static_cast<std::size_t>(i)] == 1 ? right : wrong);
    } catch (const WorkerDied&) {
      ++(called[static_cast<std::size_t>(i)] == 0 ? died : wrong);
    }
  }
  over = true;
  killer.join();
  CHECK(wrong == 0);
  CHECK(right + died == calls);
  CHECK(died <= kills);
  CHECK(died > 0);
  MESSAGE(right << " right, " << died << " died of " << kills.load() << " kills");
}

// ---- its surroundings

TEST_CASE("pool: the death of its process ends zygote and workers") {
  const Fresh fresh;
  Process owner([] {
    Pool pool(2);
    shared.pids[0] = zygote_of(pool);
    pool.apply_async([] {
      shared.pids[1] = ::getpid();
      sleep_ms(60'000);
    });
    while (shared.pids[1] == 0) sleep_ms(1);
    shared.go = 1;
    for (;;) ::pause();
  });
  shared.pids[0] = shared.pids[1] = 0;
  owner.start();
  REQUIRE(eventually([] { return shared.go == 1; }));
  owner.kill();
  owner.join();
  CHECK(eventually([] { return is_gone(shared.pids[0]) && is_gone(shared.pids[1]); }));
}

TEST_CASE("pool: a fork of its process cannot use it, but make its own; so can a worker") {
  const Fresh fresh;
  Pool pool(1);
  auto result = pool.apply_async(wait_for_go, 1);
  wait_for_quiet();
  Process child([&] {
    try {
      pool.apply(add_hundred, 1);
    } catch (const std::logic_error&) {
      shared.now += 1;
    }
    try {
      result.get();
    } catch (const std::logic_error&) {
      shared.now += 10;
    }
    Pool own(2);
    shared.now += own.apply(add_hundred, 0);
  });
  child.start();
  child.join();
  CHECK(child.exitcode() == 0);
  CHECK(shared.now == 111);
  shared.go = 1;
  CHECK(result.get() == 1);
  CHECK(pool.apply([](int i) { return Pool(1).apply(add_hundred, i) + 1; }, 1) == 102);
}

TEST_CASE("pool: several pools, each used by several threads") {
  Pool first(2);
  wait_for_quiet();
  Pool second(1);
  std::atomic<int> right = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 500; ++i) {
        right += first.apply(add_hundred, i) == i + 100;
        right += (t % 2 ? first : second).apply_async(add_hundred, i).get() == i + 100;
      }
    });
  for (auto& thread : threads) thread.join();
  CHECK(right == 4000);
}

TEST_CASE("pool: workers are forks: they see the globals of when the pool was made, and keep theirs") {
  static int global = 0;
  global = 1;
  Pool pool(1);
  global = 2;
  CHECK(pool.apply([] { return global++; }) == 1);
  CHECK(pool.apply([] { return global; }) == 2);
  CHECK(global == 2);
}

TEST_CASE("pool: what a task prints is out before its answer is, and printed once") {
  std::FILE* file = std::tmpfile();
  std::fflush(nullptr);
  const UniqueFd before(::dup(1));
  ::dup2(::fileno(file), 1);
  std::printf("parent ");
  std::string after_call;
  {
    Pool pool(1);
    pool.apply([] { std::printf("task "); });
    ::lseek(::fileno(file), 0, SEEK_SET);
    after_call = *read_all(::fileno(file));
  }
  std::fflush(nullptr);
  ::dup2(before.get(), 1);
  ::lseek(::fileno(file), 0, SEEK_SET);
  CHECK(after_call == "parent task ");
  CHECK(*read_all(::fileno(file)) == "parent task ");
  std::fclose(file);
}

}  // namespace
}  // namespace tine
