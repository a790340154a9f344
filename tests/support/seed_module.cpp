#include <signal.h>
#include <unistd.h>

#include <stdexcept>
#include <tine/module.hpp>

TINE_MODULE(m) {
  m.function("foo", [](int i) {
    std::this_thread::sleep_for(2s);
    return i + 100;
  });
  m.function("add", [](int a, int b) { return a + b; });
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
}
