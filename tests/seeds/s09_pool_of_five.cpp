#include <algorithm>
#include <chrono>
#include <iostream>
#include <thread>
#include <tine/pool.hpp>
#include <vector>

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

struct Stay {
  Clock::time_point from, to;
};

Stay Foo(int) {
  const auto from = Clock::now();
  std::this_thread::sleep_for(200ms);
  return {from, Clock::now()};
}

int main() {
  tine::Pool pool(5);
  const std::vector<Stay> stays = pool.map(Foo, std::vector<int>(20));
  long most = 0;
  for (const Stay& one : stays)
    most = std::max(most, std::ranges::count_if(stays, [&](const Stay& other) {
                      return other.from <= one.from && one.from < other.to;
                    }));
  std::cout << most << " at once\n";
}
