// S14: greenlet. Two functions that switch to one another by name.
#include <iostream>
#include <tine/coroutine.hpp>

extern tine::Greenlet gr1, gr2;

void test1() {
  std::cout << 12 << "\n";
  gr2.switch_to();
  std::cout << 34 << "\n";
  gr2.switch_to();
}

void test2() {
  std::cout << 56 << "\n";
  gr1.switch_to();
  std::cout << 78 << "\n";
}

tine::Greenlet gr1(test1), gr2(test2);

int main() { gr1.switch_to(); }
