#include <unistd.h>

#include <iostream>
#include <tine/coroutine.hpp>

int main() {
  int fds[2];
  if (::pipe(fds) < 0) return 1;
  auto reader = tine::spawn([&] {  // holds the thread for ever, if read() is libc's
    char byte = 0;
    return ::read(fds[0], &byte, 1) == 1 ? byte : 'n';
  });
  auto writer = tine::spawn([&] { return ::write(fds[1], "y", 1); });
  tine::join_all({reader, writer});
  std::cout << reader.get() << "\n";
}
