// S03: Array('i', [11,22,33,44]); two processes set temp[i] = 100+i and print it.
#include <cstdio>
#include <tine/process.hpp>
#include <tine/shared.hpp>

tine::SharedArray<int> temp{11, 22, 33, 44};

void foo(int i) {
  temp[i] = 100 + i;
  std::printf("%d ----->", i);
  const char* comma = " ";
  for (int item : temp) std::printf("%s%d", std::exchange(comma, ", "), item);
  std::printf("\n");
}

int main() {
  for (int i = 0; i < 2; ++i) {
    tine::Process p(foo, i);
    p.start();
    p.join();
  }
  std::printf("[%d, %d, %d, %d]\n", int(temp[0]), int(temp[1]), int(temp[2]), int(temp[3]));
}
