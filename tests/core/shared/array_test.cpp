#include "core/shared/array.hpp"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/shared/step.hpp"
#include "tests/support/child.hpp"
#include "tests/support/eventually.hpp"

using namespace std::chrono_literals;

namespace tine::shared {
namespace {

using test::Child;

Array make(char code, std::uint64_t count) {
  auto array = Array::anonymous(code, count);
  REQUIRE(array);
  return std::move(*array);
}
std::int64_t number(const Array& array, std::uint64_t index) {
  return std::get<std::int64_t>(*array.get(index));
}

TEST_CASE("array: an index past the end is refused with the range") {
  auto array = make('i', 4);
  CHECK(array.get(3));
  const auto bad = array.get(4);
  CHECK((bad.error().code == Errc::absent));
  CHECK(bad.error().message().find("allowed: 0 to 3") != std::string::npos);
  CHECK_FALSE(array.set(4, Element(std::int64_t{1})));
  CHECK_FALSE(make('i', 0).get(0));
}

TEST_CASE("array: a type that there is not, and a size that there cannot be, are refused") {
  CHECK((Array::anonymous('x', 1).error().code == Errc::usage));
  CHECK((Array::anonymous('d', UINT64_MAX).error().code == Errc::cannot_create));
}

TEST_CASE("array: a set and an add killed at every step leave the old value or the new one, and no lock") {
  for (const bool adds : {false, true}) {
    int steps = 0;
    for (int n = 1;; ++n) {
      auto array = make('l', 1);
      (void)array.set(0, Element(std::int64_t{1000}));
      const bool killed = test::killed_at_step(n, [&] {
        adds ? (void)array.add(0, Element(std::int64_t{1})) : (void)array.set(0, Element(std::int64_t{1001}));
      });
      CHECK((number(array, 0) == 1000 || number(array, 0) == 1001));
      const auto after = array.add(0, Element(std::int64_t{0}), Clock::now() + 1s);
      CHECK(after.has_value());
      if (!killed) break;
      ++steps;
    }
    CHECK(steps == 3);
  }
}

TEST_CASE("array: adds of killed writers count once or not at all") {
  auto sum = make('l', 1);
  auto done = make('l', 1);
  for (int round = 0; round < 100; ++round) {
    Child child([&] {
      for (;;) {
        (void)sum.add(0, Element(std::int64_t{1}));
        (void)done.add(0, Element(std::int64_t{1}));
      }
      return 0;
    });
    const auto before = number(done, 0);
    test::eventually([&] { return number(done, 0) > before + round % 7; });
    child.send(SIGKILL);
    child.wait();
    // Between the two adds at most one is missing, of each process.
    CHECK(number(sum, 0) - number(done, 0) <= round + 1);
    CHECK(number(sum, 0) >= number(done, 0));
  }
  CHECK(sum.add(0, Element(std::int64_t{0}), Clock::now() + 1s));
}

TEST_CASE("array: its lock keeps writers out, not readers") {
  auto array = make('i', 2);
  REQUIRE(array.lock());
  CHECK(array.set(0, Element(std::int64_t{5})));  // its holder may
  Child other([&] {
    if (number(array, 0) != 5) return 1;
    const auto refused = array.set(0, Element(std::int64_t{6}), Clock::now() + 50ms);
    return !refused && refused.error().code == Errc::timed_out ? 0 : 2;
  });
  CHECK(other.wait() == 0);
  array.unlock();
  Child next([&] { return array.set(0, Element(std::int64_t{6}), Clock::now() + 5s) ? 0 : 1; });
  CHECK(next.wait() == 0);
}

TEST_CASE("array: what a stopped writer holds is not taken from it, and readers go on") {
  auto array = make('i', 1);
  auto started = make('i', 1);
  Child holder([&] {
    (void)array.lock();
    (void)started.set(0, Element(std::int64_t{1}));
    ::raise(SIGSTOP);
    array.unlock();
    return 0;
  });
  REQUIRE(test::eventually([&] { return number(started, 0) == 1; }));
  int status = 0;
  ::waitpid(holder.pid(), &status, WUNTRACED);
  CHECK(array.get(0));
  CHECK_FALSE(array.set(0, Element(std::int64_t{1}), Clock::now() + 300ms));
  holder.send(SIGCONT);
  CHECK(array.set(0, Element(std::int64_t{1}), Clock::now() + 10s));
  CHECK(holder.wait() == 0);
}

}  // namespace
}  // namespace tine::shared
