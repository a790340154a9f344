// S17: many operations that wait and need no CPU: 1,000 waits of 50 ms in one thread.
#include <chrono>
#include <iostream>
#include <thread>
#include <tine/coroutine.hpp>
#include <vector>

using namespace std::chrono_literals;

int main() {
  const auto began = std::chrono::steady_clock::now();
  std::vector<tine::Task<void>> tasks;
  for (int i = 0; i < 1000; ++i) tasks.push_back(tine::spawn([] { std::this_thread::sleep_for(50ms); }));
  tine::join_all(tasks);
  const auto took = std::chrono::steady_clock::now() - began;
  std::cout << "1000 waits of 50 ms in "
            << (took >= 50ms && took < 5s ? "less than a tenth of their sum" : "too long or too short")
            << "\n";
}
