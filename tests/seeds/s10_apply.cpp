#include <chrono>
#include <iostream>
#include <thread>
#include <tine/pool.hpp>

using namespace std::chrono_literals;

int Foo(int i) {
  std::this_thread::sleep_for(2s);
  return i + 100;
}

int main() {
  tine::Pool pool(5);
  std::cout << pool.apply(Foo, 1) << '\n';
  std::cout << pool.apply_async(Foo, 1).get() << '\n';
}
