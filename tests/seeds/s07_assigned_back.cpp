#include <iostream>
#include <tine/process.hpp>
#include <tine/shared.hpp>

int main() {
  tine::SharedArray<int> temp{11, 22, 33, 44};
  tine::Process p([&] { temp[0] = 100; });
  std::cout << "before " << temp[0] << '\n';
  p.start();
  p.join();
  std::cout << "after " << temp[0] << '\n';
}
