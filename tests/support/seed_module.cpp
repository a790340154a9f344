#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <numeric>
#include <stdexcept>
#include <tine/module.hpp>
#include <tine/shared.hpp>

TINE_MODULE(m) {
  m.function("foo", [](int i) {
    std::this_thread::sleep_for(2s);
    return i + 100;
  });
  m.function("add", [](int a, int b) { return a + b; });
  /// Takes its time without giving way: most of the worker's life is inside a call.
  m.function("busy_add", [](int a, int b) {
    const auto end = std::chrono::steady_clock::now() + 50us;
    while (std::chrono::steady_clock::now() < end) {
    }
    return a + b;
  });
  /// Leaves a child behind that does not want to go, and gives back its pid.
  m.function("fork", [] {
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::setsid();
      for (const int signal : {SIGTERM, SIGHUP, SIGINT}) ::signal(signal, SIG_IGN);
      for (;;) ::pause();
    }
    return static_cast<int>(pid);
  });
  m.function("fail", [](const std::string& why) -> int { throw std::runtime_error(why); });
  /// Ends this process in the middle of the call.
  m.function("crash", [](const std::string& how) {
    if (how == "abort") std::abort();
    if (how == "exit") ::_exit(0);
    ::raise(SIGSEGV);
  });
  m.function("touch", [](const std::string& path) { std::ofstream(path) << "touched"; });
  m.function("total", [](const std::vector<int>& numbers) {
    return std::accumulate(numbers.begin(), numbers.end(), 0);
  });
  m.function("shared_add",
             [](std::string name, int n) { return tine::SharedArray<int>::open(name).add(0, n); });
  m.function("shared_leave_locked", [](std::string name) {
    static auto lock = tine::RLock::open(name);
    lock.acquire();
    return true;
  });
}
