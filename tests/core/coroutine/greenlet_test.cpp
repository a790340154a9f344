#include <doctest/doctest.h>

#include <string>
#include <tine/coroutine.hpp>
#include <vector>

using namespace std::chrono_literals;
using tine::Greenlet;
using tine::Json;

TEST_CASE("greenlet: values go both ways at each switch") {
  std::vector<Json> seen;
  Greenlet doubler([&](Json value) {
    const auto main = tine::current_greenlet().parent();
    while (!value.is_null()) {
      seen.push_back(value);
      value = main.switch_to(value.get<int>() * 2);
    }
    return "done";
  });

  CHECK(doubler.switch_to(1) == 2);
  CHECK(doubler.switch_to(21) == 42);
  CHECK(!doubler.dead());
  CHECK(doubler.switch_to() == "done");

  CHECK(doubler.dead());
  CHECK(seen == std::vector<Json>{1, 21});
  CHECK(doubler.switch_to("x") == "x");  // a dead one's parent goes on, which is this one
}

TEST_CASE("greenlet: one that ends goes on in the greenlet it was made in") {
  std::string order;
  Greenlet outer([&] {
    Greenlet inner([&] { order += "inner "; });
    inner.switch_to();
    order += "outer ";
  });

  outer.switch_to();

  CHECK(order == "inner outer ");
}

TEST_CASE("greenlet: an exception that leaves it surfaces in its parent") {
  Greenlet failing([] { throw std::runtime_error("broken"); });

  CHECK_THROWS_WITH_AS(failing.switch_to(), "broken", std::runtime_error);

  CHECK(failing.dead());
}

TEST_CASE("greenlet: throw_into throws where the other stands") {
  std::string caught;
  Greenlet standing([&] {
    try {
      tine::current_greenlet().parent().switch_to();
    } catch (const std::runtime_error& error) {
      caught = error.what();
    }
    return 5;
  });
  standing.switch_to();

  CHECK(standing.throw_into(std::runtime_error("x")) == 5);

  CHECK(caught == "x");
  Greenlet fresh([] { FAIL("it has not begun, and never does"); });
  CHECK_THROWS_AS(fresh.throw_into(std::runtime_error("y")), std::runtime_error);
  CHECK(fresh.dead());
}

TEST_CASE("greenlet: destroying a suspended one unwinds its stack") {
  bool unwound = false;
  {
    Greenlet suspended([&] {
      struct Guard {
        bool& gone;
        ~Guard() { gone = true; }
      } guard{unwound};
      tine::current_greenlet().parent().switch_to();
      FAIL("nobody switches back");
    });
    suspended.switch_to();
    CHECK(!unwound);
  }
  CHECK(unwound);
}

TEST_CASE("greenlet: one that is being destroyed cannot switch away any more") {
  int thrown = 0;
  {
    Greenlet stubborn([&] {
      for (int i = 0; i < 3; ++i) {
        try {
          tine::current_greenlet().parent().switch_to();
        } catch (const tine::GreenletExit&) {
          ++thrown;
        }
      }
    });
    stubborn.switch_to();
  }
  CHECK(thrown == 3);
}

TEST_CASE("greenlet: each keeps its own exceptions across switches") {
  std::string rethrown;
  Greenlet first([&] {
    try {
      throw std::runtime_error("first");
    } catch (...) {
      tine::current_greenlet().parent().switch_to();
      try {
        throw;
      } catch (const std::exception& error) {
        rethrown += error.what();
      }
    }
  });
  Greenlet second([&] {
    try {
      throw std::runtime_error("second");
    } catch (...) {
      tine::current_greenlet().parent().switch_to();
      try {
        throw;
      } catch (const std::exception& error) {
        rethrown += error.what();
      }
    }
  });

  first.switch_to();
  second.switch_to();
  CHECK(std::current_exception() == nullptr);
  first.switch_to();
  second.switch_to();

  CHECK(rethrown == "firstsecond");
}

TEST_CASE("greenlet: works inside of a task, whose waits others use") {
  std::string order;
  auto task = tine::spawn([&] {
    Greenlet sleeper([&] {
      tine::sleep(5ms);
      order += "slept ";
    });
    sleeper.switch_to();
    order += "back ";
  });
  auto other = tine::spawn([&] { order += "other "; });
  tine::join_all({task, other});
  CHECK(order == "other slept back ");
}

TEST_CASE("greenlet: one of another task is refused") {
  Greenlet ours([] {});
  auto task = tine::spawn([&] { ours.switch_to(); });
  CHECK_THROWS_AS(task.get(), std::logic_error);
}

TEST_CASE("greenlet: a chain of a hundred thousand switches keeps its place") {
  Greenlet counter([](Json value) {
    const auto main = tine::current_greenlet().parent();
    for (int i = 1;; ++i) value = main.switch_to(i);
    return value;
  });
  Json last;
  for (int i = 0; i < 100'000; ++i) last = counter.switch_to();
  CHECK(last == 100'000);
}

TEST_CASE("greenlet: what a destroyed one returns reaches nobody") {
  const auto stubborn = [] {
    try {
      tine::current_greenlet().parent().switch_to();
    } catch (const tine::GreenletExit&) {
    }
    return 5;
  };
  tine::Greenlet other([] { return tine::Json(); });
  {
    tine::Greenlet destroyed(stubborn);
    destroyed.switch_to();
  }
  CHECK(other.switch_to().is_null());
  tine::Greenlet destroyer([&] {
    {
      tine::Greenlet destroyed(stubborn);
      destroyed.switch_to();
    }
    return tine::current_greenlet().parent().switch_to();
  });
  destroyer.switch_to();
  CHECK(destroyer.switch_to(7) == 7);
}
