#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <thread>
#include <tine/coroutine.hpp>
#include <vector>

using namespace std::chrono_literals;

TEST_CASE("task: its value and its exception come out of get") {
  auto sum = tine::spawn([](int a, int b) { return a + b; }, 1, 2);
  auto failing = tine::spawn([]() -> int { throw std::out_of_range("gone"); });

  CHECK(!sum.ready());
  CHECK(sum.get() == 3);
  CHECK(sum.get() == 3);
  CHECK(sum.ready());
  CHECK_THROWS_WITH_AS(failing.get(), "gone", std::out_of_range);
  CHECK(!failing.successful());
}

TEST_CASE("task: a value that cannot be copied is handed over") {
  auto task = tine::spawn([](std::unique_ptr<int> given) { return given; }, std::make_unique<int>(7));
  CHECK(*task.get() == 7);
}

TEST_CASE("task: spawned tasks run in order, each until it waits") {
  std::string order;
  auto foo = [&](char name) {
    order += name;
    tine::sleep(0s);
    order += name;
    tine::yield();
    order += name;
  };
  tine::join_all({tine::spawn(foo, 'a'), tine::spawn(foo, 'b'), tine::spawn(foo, 'c')});
  CHECK(order == "abcabcabc");
}

TEST_CASE("join_all: true if all ended in time") {
  std::vector<tine::Task<int>> tasks;
  for (int i = 0; i < 3; ++i) tasks.push_back(tine::spawn([](int n) { return n; }, i));
  tine::Event never_set;
  auto stuck = tine::spawn([&] { never_set.wait(); });

  CHECK(tine::join_all(tasks, 2s));
  CHECK(!tine::join_all({stuck}, 5ms));
  CHECK(!stuck.join(0s));
  CHECK(tine::join_all(std::vector<tine::Task<void>>{}));

  stuck.kill();
  CHECK(stuck.ready());
}

TEST_CASE("join_all: a wait that nothing can end is an error, not a hang") {
  tine::Event never_set;
  auto stuck = tine::spawn([&] { never_set.wait(); });
  CHECK_THROWS_AS(stuck.join(), std::logic_error);
  stuck.kill();
}

TEST_CASE("sleep: shorter sleepers wake first, in one thread, in the time of the longest") {
  std::vector<int> woken;
  std::vector<tine::Task<void>> tasks;
  for (const int ms : {30, 10, 20})
    tasks.push_back(tine::spawn(
        [&](int time) {
          tine::sleep(std::chrono::milliseconds(time));
          woken.push_back(time);
        },
        ms));
  const auto began = std::chrono::steady_clock::now();
  tine::join_all(tasks);
  CHECK(woken == std::vector<int>{10, 20, 30});
  CHECK(std::chrono::steady_clock::now() - began >= 30ms);
}

TEST_CASE("kill: unwinds the task where it waits, and get says so") {
  bool unwound = false;
  auto task = tine::spawn([&] {
    struct Guard {
      bool& gone;
      ~Guard() { gone = true; }
    } guard{unwound};
    tine::sleep(1h);
  });
  tine::sleep(1ms);

  task.kill();

  CHECK(unwound);
  CHECK_THROWS_AS(task.get(), tine::TaskKilled);
}

TEST_CASE("kill: a task that has not begun never does, and gives back what it was given") {
  const auto given = std::make_shared<int>(1);
  auto task = tine::spawn([](std::shared_ptr<int>) { FAIL("it ran"); }, given);
  task.kill();
  CHECK(given.use_count() == 1);
  CHECK_THROWS_AS(task.get(), tine::TaskKilled);
}

TEST_CASE("kill: a task may kill itself, and one that catches it lives on") {
  auto suicide = tine::spawn([] { tine::sleep(1h); });
  std::unique_ptr<tine::Task<int>> self;
  self = std::make_unique<tine::Task<int>>(tine::spawn([&] {
    try {
      self->kill();
    } catch (const tine::TaskKilled&) {
      tine::sleep(1ms);  // it comes once
    }
    return 4;
  }));
  CHECK(self->get() == 4);
  CHECK(!suicide.join(0s));
  suicide.kill(0s);
  CHECK(suicide.join(1s));
}

TEST_CASE("kill: waits for nothing while a destructor cleans up because of an exception") {
  int cleaned = 0;
  auto task = tine::spawn([&] {
    struct Cleaning {
      int& count;
      ~Cleaning() {
        tine::sleep(2ms);  // the kill below must not be thrown out of here
        ++count;
      }
    } cleaning{cleaned};
    throw std::runtime_error("own");
  });
  tine::sleep(1ms);
  task.kill();
  CHECK(cleaned == 1);
  CHECK_THROWS_WITH(task.get(), "own");
}

TEST_CASE("timeout: TimeoutError out of what the task waits in, once, and only while the guard is there") {
  auto task = tine::spawn([] {
    std::string told;
    try {
      tine::Timeout limit(2ms);
      tine::sleep(1h);
    } catch (const tine::TimeoutError&) {
      told = "timed out";
    }
    {
      tine::Timeout limit(1h);
      tine::sleep(1ms);
    }
    tine::sleep(3ms);
    return told;
  });
  CHECK(task.get() == "timed out");
}

TEST_CASE("timeout: nested, the one whose time it is says so") {
  auto task = tine::spawn([] {
    tine::Timeout outer(1h);
    tine::Timeout inner(1ms);
    CHECK_THROWS_AS(tine::sleep(1h), tine::TimeoutError);
    return inner.expired() && !outer.expired();
  });
  CHECK(task.get());
}

TEST_CASE("timeout: works in the program too, round join_all") {
  tine::Event never_set;
  auto stuck = tine::spawn([&] { never_set.wait(); });
  {
    tine::Timeout limit(2ms);
    CHECK_THROWS_AS(tine::join_all({stuck}), tine::TimeoutError);
  }
  stuck.kill();
}

TEST_CASE("c_calls: holds a kill back until its end") {
  std::string order;
  auto task = tine::spawn([&] {
    tine::c_calls([&] {
      tine::Event none;
      try {
        none.wait();
      } catch (const tine::TaskKilled&) {
        order += "own wait ";
      }
    });
    order += "after ";
    return tine::c_calls([] { return 3; });
  });
  tine::sleep(1ms);
  task.kill();
  CHECK(order == "own wait after ");
  CHECK(task.get() == 3);
}

TEST_CASE("exceptions: throw; after a switch in a catch block throws what was caught") {
  const auto rethrow = [](std::string text) {
    try {
      throw std::runtime_error(text);
    } catch (...) {
      tine::sleep(0s);
      try {
        throw std::logic_error("inner " + text);
      } catch (...) {
        tine::sleep(0s);
      }
      throw;
    }
  };
  std::vector<tine::Task<void>> tasks;
  for (int i = 0; i < 10; ++i) tasks.push_back(tine::spawn(rethrow, std::to_string(i)));
  for (int i = 0; i < 10; ++i) CHECK_THROWS_WITH(tasks[i].get(), std::to_string(i).c_str());
}

TEST_CASE("errno: each task keeps its own") {
  auto one = tine::spawn([] {
    errno = 5;
    tine::sleep(0s);
    return errno;
  });
  auto other = tine::spawn([] {
    errno = 6;
    tine::sleep(0s);
    return errno;
  });
  CHECK(one.get() == 5);
  CHECK(other.get() == 6);
}

TEST_CASE("event: wakes all that wait") {
  tine::Event event;
  int woken = 0;
  std::vector<tine::Task<void>> tasks;
  for (int i = 0; i < 3; ++i)
    tasks.push_back(tine::spawn([&] {
      event.wait();
      ++woken;
    }));
  auto late = tine::spawn([&] { return event.wait(1ms); });
  CHECK(!late.get());
  event.set();
  tine::join_all(tasks);
  CHECK(woken == 3);
  CHECK(event.wait(0s));
}

TEST_CASE("channel: values in order, the putter waits while it is full, closed and empty gives nothing") {
  tine::Channel<int> channel(2);
  std::size_t most = 0;
  auto putter = tine::spawn([&] {
    for (int i = 0; i < 10; ++i) {
      channel.put(i);
      most = std::max(most, channel.size());
    }
    channel.close();
  });
  auto getter = tine::spawn([&] {
    std::vector<int> got;
    while (auto value = channel.get()) got.push_back(*value);
    return got;
  });
  CHECK(getter.get() == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  CHECK(most == 2);
  CHECK_THROWS_AS(channel.put(1), std::logic_error);
  tine::Channel<int> empty;
  CHECK(!empty.get(1ms));
}

TEST_CASE("channel: a getter that is killed takes no value with it") {
  tine::Channel<int> channel;
  auto killed = tine::spawn([&] { channel.get(); });
  auto getter = tine::spawn([&] { return channel.get(); });
  tine::sleep(1ms);
  killed.kill(0s);
  channel.put(9);
  CHECK(getter.get() == 9);
}

TEST_CASE("pool: at most n tasks at once, results in order") {
  tine::CoroutinePool pool(3);
  int now = 0, most = 0;
  const auto squares = pool.map(
      [&](int i) {
        most = std::max(most, ++now);
        tine::sleep(1ms);
        --now;
        return i * i;
      },
      std::vector<int>{1, 2, 3, 4, 5, 6, 7});
  CHECK(squares == std::vector<int>{1, 4, 9, 16, 25, 36, 49});
  CHECK(most == 3);
  CHECK(pool.free_count() == 3);
}

TEST_CASE("pool: its end kills what is left") {
  bool unwound = false;
  {
    tine::CoroutinePool pool(1);
    pool.spawn([&] {
      struct Guard {
        bool& gone;
        ~Guard() { gone = true; }
      } guard{unwound};
      tine::sleep(1h);
    });
    tine::sleep(1ms);
    CHECK(!pool.join(1ms));
  }
  CHECK(unwound);
}

TEST_CASE("thread: each has its own scheduler, and kills its tasks at its end") {
  bool unwound = false;
  std::thread([&] {
    auto task = tine::spawn([&] {
      struct Guard {
        bool& gone;
        ~Guard() { gone = true; }
      } guard{unwound};
      tine::sleep(1h);
    });
    tine::sleep(1ms);
  }).join();
  CHECK(unwound);

  auto ours = tine::spawn([] {});
  std::thread([&] { CHECK_THROWS_AS(ours.join(), std::logic_error); }).join();
  ours.join();
}

TEST_CASE("scheduler: 10,000 tasks wait at once") {
  int sum = 0;
  std::vector<tine::Task<void>> tasks;
  for (int i = 0; i < 10'000; ++i)
    tasks.push_back(tine::spawn([&] {
      tine::sleep(1ms);
      ++sum;
    }));
  tine::join_all(tasks);
  CHECK(sum == 10'000);
}
