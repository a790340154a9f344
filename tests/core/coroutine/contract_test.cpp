// The public header as its users write it.
#include <doctest/doctest.h>
#include <unistd.h>

#include <tine/coroutine.hpp>

using namespace std::chrono_literals;
using namespace tine;

TEST_CASE("coroutine.hpp: the documented lines compile and do what they say") {
  const Json value = 5;
  auto f = [](Json given) { return given; };
  tine::Greenlet g(f);
  auto back = g.switch_to(value);
  CHECK(back == 5);
  CHECK(g.dead());
  tine::Greenlet waiting([] { tine::current_greenlet().parent().switch_to(); });
  waiting.switch_to();
  CHECK_THROWS_AS(waiting.throw_into(std::runtime_error("x")), std::runtime_error);

  auto task = tine::spawn([](int a, std::string b) { return b + std::to_string(a); }, 1, "b");
  CHECK(task.get() == "b1");
  CHECK(task.join(2s));
  task.kill();
  CHECK(task.ready());

  auto task1 = tine::spawn([] { return 1; });
  auto task2 = tine::spawn([] { tine::sleep(0s); });
  tine::join_all({task1, task2});
  std::vector<tine::Task<int>> tasks{tine::spawn([] { return 1; })};
  const bool all_ended = tine::join_all(tasks, 2s);
  CHECK(all_ended);
  tine::sleep(0s);

  auto limited = tine::spawn([] {
    tine::Timeout limit(20ms);
    sleep(1h);  // this one is tine's, by its argument
  });
  CHECK_THROWS_AS(limited.get(), tine::TimeoutError);
  CHECK(tine::c_calls([&] { return 3; }) == 3);
  tine::c_calls([&] {});
}
