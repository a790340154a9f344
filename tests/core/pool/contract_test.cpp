// The lines of the contract that are about Process and Pool, as they stand there.
#include <doctest/doctest.h>

#include <optional>
#include <thread>
#include <tine/pool.hpp>
#include <tine/process.hpp>
#include <tuple>
#include <vector>

using namespace std::chrono_literals;

namespace {

int add_hundred(int i) { return i + 100; }
int add(int a, int b) { return a + b; }

TEST_CASE("contract: Process") {
  auto f = [captured = 1](int) { std::this_thread::sleep_for(captured * 10s); };
  tine::Process p(f, 1);
  p.start();
  bool ended = p.join(50ms);
  CHECK(!ended);
  CHECK(p.is_alive());
  CHECK(p.pid() > 0);
  p.terminate();
  p.kill();
  p.join();
  p.daemon(true);
  std::optional<int> code = p.exitcode();
  CHECK(code.value_or(0) < 0);
}

TEST_CASE("contract: Pool") {
  using R = int;
  auto f = add_hundred;
  const auto range = std::vector<int>{1, 2, 3};
  const auto vector_of_tuples = std::vector<std::tuple<int, int>>{{1, 2}, {3, 4}};
  int seen = 0;
  auto callback = [&](int result) { seen += result; };

  tine::Pool pool(5);
  R r = pool.apply(f, 1);
  CHECK(r == 101);
  tine::AsyncResult<R> a = pool.apply_async(f, 1);
  pool.apply_async(f, 2, callback);
  pool.apply_async_with(callback, f, 3);
  CHECK(a.get() == 101);
  CHECK(a.get(2s) == 101);
  bool b = a.wait(2s);
  CHECK(b);
  CHECK(a.ready());
  CHECK(a.successful());
  std::vector<R> v = pool.map(f, range);
  CHECK(v == std::vector{101, 102, 103});
  int sum = 0;
  for (R x : pool.imap(f, range)) sum += x;
  for (R x : pool.imap_unordered(f, range)) sum += x;
  CHECK(sum == 2 * 306);
  CHECK(pool.starmap(add, vector_of_tuples) == std::vector{3, 7});
  pool.close();
  pool.join();
  CHECK(seen == 102 + 103);
  pool.terminate();
}

}  // namespace
