// Microseconds, p50, of one call through the daemon over one connection. client_calls COUNT
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <tine/client.hpp>

int main(int argc, char** argv) {
  const int count = argc == 2 ? std::atoi(argv[1]) : 0;
  if (count < 1) return 2;
  using Clock = std::chrono::steady_clock;
  tine::Client client;
  client.call("echo", 0);
  std::vector<double> times;
  for (int i = 0; i < count; ++i) {
    const auto from = Clock::now();
    if (client.call("echo", i) != tine::Json::array({i})) return 1;
    times.push_back(std::chrono::duration<double, std::micro>(Clock::now() - from).count());
  }
  std::sort(times.begin(), times.end());
  std::printf("%.4f\n", times[times.size() / 2]);
}
