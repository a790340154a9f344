#include <iostream>
#include <tine/process.hpp>
#include <vector>

void foo(int i) { std::cout << "say hi " << i << std::endl; }

int main() {
  std::vector<tine::Process> all;
  for (int i = 0; i < 10; ++i) {
    tine::Process p(foo, i);
    p.start();
    all.push_back(std::move(p));
  }
}
