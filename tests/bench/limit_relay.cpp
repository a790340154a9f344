// The limit of a single call through a daemon: microseconds, p50, of a byte that goes from a client to a
// relay, on to a worker, and back, over Unix sockets. limit_relay COUNT
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

bool pass(int from, int to) {
  char byte;
  return ::read(from, &byte, 1) == 1 && ::write(to, &byte, 1) == 1;
}

}  // namespace

int main(int argc, char** argv) {
  const int count = argc == 2 ? std::atoi(argv[1]) : 0;
  int client[2], worker[2];
  if (count < 1 || ::socketpair(AF_UNIX, SOCK_STREAM, 0, client) < 0 ||
      ::socketpair(AF_UNIX, SOCK_STREAM, 0, worker) < 0)
    return 2;
  if (::fork() == 0) {  // the worker
    ::close(client[0]), ::close(client[1]), ::close(worker[0]);
    while (pass(worker[1], worker[1])) {
    }
    ::_exit(0);
  }
  if (::fork() == 0) {  // the relay
    ::close(client[0]), ::close(worker[1]);
    while (pass(client[1], worker[0]) && pass(worker[0], client[1])) {
    }
    ::_exit(0);
  }
  ::close(client[1]), ::close(worker[0]), ::close(worker[1]);
  std::vector<double> times;
  char byte = 'x';
  for (int i = 0; i < count; ++i) {
    const auto from = Clock::now();
    if (::write(client[0], &byte, 1) != 1 || ::read(client[0], &byte, 1) != 1) return 1;
    times.push_back(std::chrono::duration<double, std::micro>(Clock::now() - from).count());
  }
  std::sort(times.begin(), times.end());
  std::printf("%.4f\n", times[times.size() / 2]);
  ::close(client[0]);
  while (::wait(nullptr) > 0) {
  }
}
