#include <chrono>
#include <iostream>
#include <tine/pool.hpp>
#include <tine/process.hpp>

int Foo(int i) { return i + 100; }

/// Microseconds of one round.
template <class F>
double cost(int rounds, F round) {
  const auto from = std::chrono::steady_clock::now();
  for (int i = 0; i < rounds; ++i) round(i);
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - from).count() / rounds;
}

int main() {
  const double process = cost(200, [](int i) {
    tine::Process p(Foo, i);
    p.start();
    p.join();
  });
  tine::Pool pool(1);
  const double call = cost(20'000, [&](int i) { pool.apply(Foo, i); });
  std::cerr << "a process " << process << " us, a call " << call << " us\n";
  std::cout << (call <= process / 10 ? "a call costs at most a tenth of a process\n" : "a call is dear\n");
}
