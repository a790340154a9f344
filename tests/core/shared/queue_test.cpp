#include "core/shared/queue.hpp"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <set>

#include "core/shared/array.hpp"
#include "core/shared/step.hpp"
#include "tests/support/child.hpp"
#include "tests/support/eventually.hpp"

using namespace std::chrono_literals;

namespace tine::shared {
namespace {

using test::Child;
using test::eventually;

Queue make(std::uint64_t items_max = 0) {
  auto queue = Queue::anonymous(items_max);
  REQUIRE(queue);
  return std::move(*queue);
}
std::vector<std::string> drain(Queue& queue) {
  std::vector<std::string> values;
  while (auto value = queue.get(Clock::now())) values.push_back(*value);
  return values;
}

TEST_CASE("queue: first in, first out, of any size, in memory that grows") {
  auto queue = make();
  std::vector<std::string> values;
  for (std::size_t i = 0; i < 2000; ++i) values.push_back(std::string(i % 300, 'a') + std::to_string(i));
  values.push_back(std::string(3'000'000, 'z'));
  for (const auto& value : values) REQUIRE(queue.put({value}));
  CHECK(*queue.size() == values.size());
  CHECK(drain(queue) == values);
  CHECK(*queue.size() == 0);
  CHECK(queue.verify(Clock::now() + 1s));
}

TEST_CASE("queue: memory that was freed is used again") {
  test::StateDir state;
  const auto folder = *Folder::open(state.path());
  auto queue = *Queue::create(folder, "q", 0);
  for (int i = 0; i < 50'000; ++i) {
    REQUIRE(queue.put({std::string(static_cast<std::size_t>(i) % 500, 'x')}));
    if (i >= 50) REQUIRE(queue.get(Clock::now()));
  }
  CHECK(folder.used() <= 256u << 10);
  CHECK(queue.verify(Clock::now() + 1s));
}

TEST_CASE("queue: a bounded one makes a put wait, and puts all or none") {
  auto queue = make(3);
  CHECK(queue.put({"1", "2"}));
  CHECK((queue.put({"3", "4"}, Clock::now()).error().code == Errc::timed_out));
  CHECK(*queue.size() == 2);
  CHECK(queue.put({"3"}, Clock::now()));
  CHECK((queue.put({"1", "2", "3", "4"}).error().code == Errc::usage));
  Child putter([&] { return queue.put({"4", "5"}, Clock::now() + 10s) ? 0 : 1; });
  CHECK(*queue.get() == "1");
  CHECK(*queue.get() == "2");
  CHECK(putter.wait() == 0);
  CHECK(drain(queue) == std::vector<std::string>{"3", "4", "5"});
}

TEST_CASE("queue: a get waits for a put, or until its time is over") {
  auto queue = make();
  CHECK((queue.get(Clock::now() + 30ms).error().code == Errc::timed_out));
  Child getter([&] {
    const auto value = queue.get(Clock::now() + 10s);
    return value && *value == "late" ? 0 : 1;
  });
  ::usleep(30'000);  // it sleeps by now, mostly; either way it gets it
  REQUIRE(queue.put({"late"}));
  CHECK(getter.wait() == 0);
}

TEST_CASE("queue: three items and ten getters: three get one, seven wait on") {
  auto queue = make();
  auto got = *Array::anonymous('i', 1);
  std::vector<std::unique_ptr<Child>> getters;
  for (int i = 0; i < 10; ++i) {
    getters.push_back(std::make_unique<Child>([&] {
      const auto value = queue.get();
      (void)got.add(0, Element(std::int64_t{1}));
      return value ? 0 : 1;
    }));
  }
  REQUIRE(queue.put({"0", "1", "2"}));
  CHECK(eventually([&] { return std::get<std::int64_t>(*got.get(0)) == 3; }));
  CHECK(*queue.size() == 0);
  REQUIRE(queue.put({"3", "4", "5", "6", "7", "8", "9"}));
  for (auto& getter : getters) CHECK(getter->wait() == 0);
}

TEST_CASE("queue: a lease is acknowledged once, given back at the head, and counted") {
  auto queue = make();
  REQUIRE(queue.put({"1", "2", "3"}));
  const Queue::LeaseOwner me{this_process(), 0, 0};
  const auto first = *queue.take(me);
  CHECK(first.value == "1");
  CHECK(first.deliveries == 1);
  const auto second = *queue.take(me);
  CHECK(*queue.size() == 1);
  CHECK(queue.give_back(first.receipt));
  CHECK((queue.ack(first.receipt).error().code == Errc::absent));
  const auto again = *queue.take(me);
  CHECK(again.value == "1");
  CHECK(again.deliveries == 2);
  CHECK(queue.ack(again.receipt));
  CHECK((queue.ack(again.receipt).error().code == Errc::absent));
  CHECK((queue.ack("rubbish").error().code == Errc::usage));
  CHECK(queue.ack(second.receipt));
  CHECK(drain(queue) == std::vector<std::string>{"3"});
}

TEST_CASE("queue: what killed consumers took comes back at the head, in order") {
  auto queue = make();
  REQUIRE(queue.put({"1", "2", "3", "4"}));
  Child consumer([&] {
    const Queue::LeaseOwner me{this_process(), 0, 0};
    (void)queue.take(me);
    (void)queue.take(me);
    ::kill(::getpid(), SIGKILL);
    return 0;
  });
  CHECK(consumer.wait() == 1000 + SIGKILL);
  CHECK(drain(queue) == std::vector<std::string>{"1", "2", "3", "4"});
}

TEST_CASE("queue: a getter that waits gets what a killed consumer had taken, also from a zombie") {
  auto queue = make();
  REQUIRE(queue.put({"1"}));
  Child consumer([&] {
    (void)queue.take({this_process(), 0, 0});
    ::raise(SIGSTOP);
    return 0;
  });
  int status = 0;
  ::waitpid(consumer.pid(), &status, WUNTRACED);
  CHECK((queue.get(Clock::now() + 300ms).error().code == Errc::timed_out));  // stopped is not ended
  consumer.send(SIGKILL);
  const auto value = queue.get(Clock::now() + 10s);  // before it is reaped
  REQUIRE(value);
  CHECK(*value == "1");
}

TEST_CASE("queue: a job's leases come back at its end, or its witness's") {
  auto queue = make();
  REQUIRE(queue.put({"1", "2"}));
  const auto job = owner_of_job(7, 1);
  (void)queue.take({job, job, 0});
  CHECK(*queue.return_leases(owner_of_job(7, 2)) == 0);
  CHECK(*queue.return_leases(job) == 1);
  Child member([&] { return queue.take({job, job, this_process()}) ? 0 : 1; });
  CHECK(member.wait() == 0);
  CHECK(drain(queue) == std::vector<std::string>{"1", "2"});
}

TEST_CASE("queue: a putter killed at every step leaves all of its values or none") {
  for (int n = 1;; ++n) {
    auto queue = make();
    REQUIRE(queue.put({"before"}));
    const std::string large(200'000, 'x');  // the heap has to grow for it
    const bool killed = test::killed_at_step(n, [&] { (void)queue.put({"1", large, "3"}); });
    REQUIRE(queue.put({"after"}, Clock::now() + 5s));
    const auto size = *queue.size();
    const auto values = drain(queue);
    CHECK(size == values.size());
    const std::vector<std::string> none{"before", "after"}, all{"before", "1", large, "3", "after"};
    CHECK((values == none || values == all));
    CHECK(queue.verify(Clock::now() + 1s));
    if (!killed) {
      CHECK(values == all);
      CHECK(n > 10);
      break;
    }
  }
}

TEST_CASE("queue: a getter, taker or acknowledger killed at every step tears nothing") {
  for (int operation = 0; operation < 4; ++operation) {
    CAPTURE(operation);
    for (int n = 1;; ++n) {
      auto queue = make();
      REQUIRE(queue.put({"1", "2", "3"}));
      const bool killed = test::killed_at_step(n, [&] {
        if (operation == 0) {
          (void)queue.get();
        } else {
          const auto lease = queue.take({this_process(), 0, 0});
          if (operation == 2 && lease) (void)queue.ack(lease->receipt);
          if (operation == 3 && lease) (void)queue.give_back(lease->receipt);
        }
      });
      const auto values = drain(queue);
      const std::vector<std::string> kept{"1", "2", "3"}, gone{"2", "3"};
      if (operation == 1 || operation == 3) CHECK(values == kept);
      if (operation == 0 || operation == 2) CHECK((values == kept || values == gone));
      CHECK(queue.verify(Clock::now() + 1s));
      CHECK(*queue.size() == 0);
      if (!killed) break;
    }
  }
}

TEST_CASE("queue: a repairer killed at every step leaves it to the next") {
  for (int n = 1;; ++n) {
    auto queue = make();
    REQUIRE(queue.put({"1", "2"}));
    test::killed_at_step(3, [&] { (void)queue.put({"3", "4"}); });
    const bool killed = test::killed_at_step(n, [&] { (void)queue.put({"5"}); });
    auto values = drain(queue);
    REQUIRE(values.size() >= 2);
    CHECK(values[1] == "2");
    CHECK(queue.verify(Clock::now() + 1s));
    if (!killed) break;
  }
}

TEST_CASE("queue: killed getters that slept do not keep an item from the others") {
  auto queue = make();
  for (int round = 0; round < 50; ++round) {
    Child first([&] { return queue.get() ? 0 : 1; });
    Child second([&] { return queue.get() ? 0 : 1; });
    ::usleep(2000);
    first.send(SIGKILL);
    REQUIRE(queue.put({"1"}));
    if (first.wait() == 0)
      REQUIRE(queue.put({"1"}));  // it was quicker than the kill, and has one in its hand
    CHECK(eventually([&] { return *queue.size() == 0; }, 2s));
    // One that was killed with the item in its hand has taken it along.
    (void)queue.put({"1"});
    CHECK(second.wait() == 0);
    (void)queue.clear();
  }
}

TEST_CASE("queue: a removed one sends its waiters away") {
  test::StateDir state;
  const auto folder = *Folder::open(state.path());
  auto queue = *Queue::create(folder, "q", 0);
  Child getter([&] {
    const auto value = queue.get(Clock::now() + 20s);
    return !value && value.error().code == Errc::absent ? 0 : 1;
  });
  ::usleep(10'000);
  REQUIRE(folder.remove(Kind::queue, "q"));
  CHECK(getter.wait() == 0);
}

TEST_CASE("queue: damage is found, and the queue is poisoned until it is made anew") {
  test::StateDir state;
  const auto folder = *Folder::open(state.path());
  auto queue = *Queue::create(folder, "q", 0);
  REQUIRE(queue.put({"1"}));
  {
    auto segment = *folder.attach(Kind::queue, "q");
    std::memset(segment->memory() + queue_heap_offset, 0, 8);
  }
  CHECK_FALSE(queue.verify(Clock::now() + 1s));
  const auto refused = queue.put({"2"});
  REQUIRE_FALSE(refused);
  CHECK(exit_code_of(refused.error()) == 74);
  CHECK(refused.error().message().find("poisoned") != std::string::npos);
  CHECK_FALSE(Queue::open(folder, "q"));
  CHECK(folder.remove(Kind::queue, "q"));
  CHECK(Queue::open_or_create(folder, "q")->put({"1"}));
}

TEST_CASE("queue: producers and consumers killed at random lose nothing that was put, and tear nothing") {
  constexpr int rounds = 60, consumers = 2;
  auto queue = make();
  auto next = *Array::anonymous('l', 1);
  constexpr std::uint64_t items_max = 2'000'000;
  auto put = *Array::anonymous('B', items_max);  // its put came back
  auto got = *Array::anonymous('B', items_max);  // how often it was counted; before the ack, so perhaps again
  const auto one = Element(std::uint64_t{1});
  const auto produce = [&] {
    for (;;) {
      const auto i =
          static_cast<std::uint64_t>(std::get<std::int64_t>(*next.add(0, Element(std::int64_t{1}))));
      if (i >= items_max || !queue.put({std::to_string(i)})) return 1;
      (void)put.set(i, one);
    }
  };
  const auto count = [&](const std::string& value) { return got.add(std::stoull(value), one).has_value(); };
  const auto consume = [&] {
    for (;;) {
      const auto lease = queue.take({this_process(), 0, 0});
      if (!lease || !count(lease->value)) return 1;
      (void)queue.ack(lease->receipt);
    }
  };
  for (int round = 0; round < rounds; ++round) {
    std::vector<std::unique_ptr<Child>> workers;
    for (int i = 0; i < consumers; ++i) {
      workers.push_back(std::make_unique<Child>(produce));
      workers.push_back(std::make_unique<Child>(consume));
    }
    ::usleep(3000 + static_cast<unsigned>(round) * 100);
    for (auto& worker : workers) worker->send(SIGKILL);
    for (auto& worker : workers) CHECK(worker->wait() == 1000 + SIGKILL);
  }
  REQUIRE(queue.verify(Clock::now() + 5s));
  for (const auto& value : drain(queue)) CHECK(count(value));
  std::uint64_t missing = 0, twice = 0, total = 0;
  for (std::uint64_t i = 1; i < items_max; ++i) {
    const auto was_put = std::get<std::uint64_t>(*put.get(i)), times = std::get<std::uint64_t>(*got.get(i));
    total += was_put;
    missing += was_put && !times;
    twice += times > 1;
  }
  CHECK(total > rounds);
  CHECK(missing == 0);
  // Counted, and killed before the ack.
  CHECK(twice <= rounds * consumers);
}

}  // namespace
}  // namespace tine::shared
