// tine's Process and Pool: microseconds of one. pool_calls apply|async|map|process COUNT
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <string>
#include <tine/pool.hpp>
#include <tine/process.hpp>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

int work(int i) { return i + 1; }

double us_since(Clock::time_point from) {
  return std::chrono::duration<double, std::micro>(Clock::now() - from).count();
}

template <class F>
double median_us(int count, F round) {
  std::vector<double> times;
  for (int i = 0; i < count; ++i) {
    const auto from = Clock::now();
    round(i);
    times.push_back(us_since(from));
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

double apply(int count) {
  tine::Pool pool(2);
  pool.apply(work, 1);
  return median_us(count, [&](int i) { pool.apply(work, i); });
}

double async(int count) {
  tine::Pool pool(2);
  pool.apply(work, 1);
  long sum = 0;
  const auto from = Clock::now();
  for (int i = 0; i < count; ++i) pool.apply_async(work, i, [&](int result) { sum += result; });
  pool.close();
  pool.join();
  const double us = us_since(from) / count;
  if (sum != (count + 1L) * count / 2) std::exit(1);
  return us;
}

double map(int count) {
  tine::Pool pool(2);
  pool.apply(work, 1);
  std::vector<int> items(static_cast<std::size_t>(count));
  std::iota(items.begin(), items.end(), 0);
  const auto from = Clock::now();
  const auto results = pool.map(work, items);
  const double us = us_since(from) / count;
  if (results.back() != count) std::exit(1);
  return us;
}

double process(int count) {
  return median_us(count, [](int i) {
    tine::Process p(work, i);
    p.start();
    p.join();
  });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const std::string kind = argv[1];
  const int count = std::atoi(argv[2]);
  if (count < 1) return 2;
  if (kind == "apply") return std::printf("%.4f\n", apply(count)), 0;
  if (kind == "async") return std::printf("%.4f\n", async(count)), 0;
  if (kind == "map") return std::printf("%.4f\n", map(count)), 0;
  if (kind == "process") return std::printf("%.4f\n", process(count)), 0;
  return 2;
}
