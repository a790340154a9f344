#include <iostream>
#include <tine/pool.hpp>
#include <tine/process.hpp>

int add_hundred(int i) { return i + 100; }

int main() {
  tine::Process p([] { std::cout << "say hi 0\n"; });
  p.start();
  p.join();
  tine::Pool pool(2);
  std::cout << pool.apply(add_hundred, 1) << '\n';
}
