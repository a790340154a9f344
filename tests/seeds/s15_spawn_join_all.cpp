// S15: gevent's spawn, joinall and sleep(0).
#include <iostream>
#include <tine/coroutine.hpp>

using namespace std::chrono_literals;

void foo() {
  std::cout << "Running in foo\n";
  tine::sleep(0s);
  std::cout << "Explicit context switch to foo again\n";
}

void bar() {
  std::cout << "Explicit context to bar\n";
  tine::sleep(0s);
  std::cout << "Implicit context switch back to bar\n";
}

int main() { tine::join_all({tine::spawn(foo), tine::spawn(bar)}); }
