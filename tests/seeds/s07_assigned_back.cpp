#include <iostream>
#include <tine/process.hpp>
#include <tine/shared.hpp>

int main() {
  tine::SharedArray<int> temp{11, 22, 33, 44};
  tine::SharedDict dic;
  tine::Process p([&] {
    temp[0] = 100;
    dic.set("k", 101);
  });
  p.start();
  p.join();
  std::cout << temp[0] << ' ' << dic.get("k") << '\n';
}
