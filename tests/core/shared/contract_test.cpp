#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mutex>
#include <tine/shared.hpp>

#include "tests/support/child.hpp"

using namespace std::chrono_literals;

namespace tine::test {
namespace {

TEST_CASE("shared.hpp: arrays as the contract writes them") {
  tine::SharedArray<int> t{11, 22, 33, 44};
  tine::SharedArray<double> z(8);
  t[0] = 100;
  int x = t[0];
  t.add(0, 5);
  CHECK(x == 100);
  CHECK(t.size() == 4);
  int sum = 0;
  for (int i : t) sum += i;
  CHECK(sum == 105 + 22 + 33 + 44);
  CHECK(z[7] == 0.0);
  {
    std::lock_guard g(t);
    t[1] = 2;
  }
  t[1] += 3;
  t[1] -= 1;
  t[2] = t[1];
  CHECK(t[2] == 4);
  CHECK_THROWS_AS(t[4], std::out_of_range);
  CHECK_THROWS_AS(t.add(0, INT32_MAX), std::out_of_range);
  CHECK(t[0] == 105);
}

TEST_CASE("shared.hpp: dictionaries as the contract writes them") {
  tine::SharedDict d;
  const tine::Json json = {{"a", {1, 2.5, nullptr}}};
  d.set(1, 101);
  d.set("k", json);
  tine::Json v = d.get("k");
  CHECK(v == json);
  CHECK_THROWS_AS(d.get("absent"), std::out_of_range);
  CHECK_FALSE(d.find("absent"));
  CHECK(d.find(1).value() == 101);
  CHECK_FALSE(d.find("1"));
  d.set(-5, "minus");
  CHECK(d.keys() == std::vector<tine::Json>{-5, 1, "k"});
  CHECK(d.values().size() == 3);
  CHECK(d.items()[1] == std::pair<tine::Json, tine::Json>(1, 101));
  CHECK(d.incr("n", 1) == 1);
  CHECK(d.incr("n", 41) == 42);
  CHECK_THROWS_AS(d.incr("k", 1), std::invalid_argument);
  const tine::Json old = json, neu = "new";
  CHECK(d.cas("k", old, neu));
  CHECK_FALSE(d.cas("k", old, neu));
  CHECK(d.pop("k") == "new");
  CHECK_THROWS_AS(d.pop("k"), std::out_of_range);
  CHECK(d.erase("n"));
  CHECK_FALSE(d.erase("n"));
  CHECK(d.size() == 2);
}

TEST_CASE("shared.hpp: queues as the contract writes them") {
  tine::SharedQueue q;
  tine::SharedQueue q10(10);
  const tine::Json v = {0, "h1"};
  q.put(v);
  tine::Json w = q.get();
  CHECK(w == v);
  std::optional<tine::Json> o = q.get(20ms);
  CHECK_FALSE(o);
  CHECK_FALSE(q.try_get());
  CHECK(q.size() == 0);
  CHECK(q.empty());
  CHECK_FALSE(q.full());
  for (int i = 0; i < 10; ++i) q10.put(i);
  CHECK(q10.full());
  CHECK_FALSE(q10.try_put(10));
  {
    auto item = q10.take();
    CHECK(item.value() == 0);
    item.ack();
  }
  CHECK(q10.size() == 9);
  {
    auto item = q10.take();
    CHECK(item.value() == 1);
  }
  auto again = q10.take();
  CHECK(again.value() == 1);
  CHECK(again.deliveries() == 2);
}

TEST_CASE("shared.hpp: locks as the contract writes them") {
  tine::RLock lock;
  {
    std::lock_guard h(lock);
    lock.acquire();
    CHECK(lock.acquire(2s));
    lock.release();
    lock.release();
  }
  CHECK(lock.try_lock());
  Child other([&] { return lock.acquire(50ms) ? 1 : 0; });
  CHECK(other.wait() == 0);
  lock.release();
  CHECK_THROWS_AS(lock.release(), std::logic_error);
  CHECK_FALSE(lock.owner_died());
}

TEST_CASE("shared.hpp: named ones are of the state dir, and of one type") {
  const StateDir state;
  CHECK_THROWS_AS(tine::SharedArray<int>::open("temp"), std::out_of_range);
  auto made = tine::SharedArray<int>::create("temp", 2);
  made[1] = 7;
  auto named = tine::SharedArray<int>::open("temp");
  CHECK(named[1] == 7);
  CHECK_THROWS_AS(tine::SharedArray<long>::open("temp"), std::invalid_argument);
  CHECK_THROWS_AS(tine::SharedArray<int>::create("temp", 2), std::system_error);

  Child child([] {
    tine::SharedDict::open("d").set("k", 1);
    tine::SharedQueue::open("q").put("item");
    auto lock = tine::RLock::open("l");
    lock.acquire();
    ::_exit(0);  // without its destructor
    return 1;
  });
  CHECK(child.wait() == 0);
  CHECK(tine::SharedDict::open("d").get("k") == 1);
  CHECK(tine::SharedQueue::open("q").get() == "item");
  auto lock = tine::RLock::open("l");
  CHECK(lock.acquire(2s));
  CHECK(lock.owner_died());
}

TEST_CASE("shared.hpp: what a child sets is seen by the parent and by its siblings") {
  tine::SharedArray<int> temp{11, 22, 33, 44};
  tine::SharedDict dict;
  tine::SharedQueue queue;
  for (int i = 0; i < 3; ++i) {
    Child child([&] {
      temp[static_cast<std::size_t>(i)] = 100 + i;
      dict.set(i, 100 + i);
      queue.put(i);
      return 0;
    });
    CHECK(child.wait() == 0);
  }
  CHECK(std::vector<int>(temp.begin(), temp.end()) == std::vector<int>{100, 101, 102, 44});
  CHECK(dict.values() == std::vector<Json>{100, 101, 102});
  CHECK(queue.get() == 0);
  CHECK(queue.size() == 2);
}

}  // namespace
}  // namespace tine::test
