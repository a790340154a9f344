// S05: Manager().dict(); dic[i] = 100+i; dic.values() in each of two processes.
#include <iostream>
#include <tine/process.hpp>
#include <tine/shared.hpp>

int main() {
  tine::SharedDict dic;
  auto foo = [&](int i) {
    dic.set(i, 100 + i);
    const char* comma = "[";
    for (const auto& value : dic.values()) std::cout << std::exchange(comma, ", ") << value;
    std::cout << "]\n";
  };
  for (int i = 0; i < 2; ++i) {
    tine::Process p(foo, i);
    p.start();
    p.join();
  }
}
