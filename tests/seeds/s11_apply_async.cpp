#include <chrono>
#include <iostream>
#include <thread>
#include <tine/pool.hpp>

using namespace std::chrono_literals;

int Foo(int i) {
  std::this_thread::sleep_for(2s);
  return i + 100;
}

void Bar(int arg) { std::cout << arg << std::endl; }

int main() {
  tine::Pool pool(5);
  for (int i = 0; i < 10; ++i) pool.apply_async(Foo, i, Bar);
  std::cout << "end" << std::endl;
  pool.close();
  pool.join();
}
