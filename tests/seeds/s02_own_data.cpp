#include <iostream>
#include <tine/process.hpp>
#include <vector>

std::vector<int> data{1, 2, 3};

void foo() {
  data.push_back(4);
  std::cout << "child " << data.size() << std::endl;
}

int main() {
  tine::Process p(foo);
  p.start();
  p.join();
  std::cout << "parent " << data.size() << '\n';
}
