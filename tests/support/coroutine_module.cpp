// Functions for coroutine pools: S14 and S15 of the seed, and some that do what they should not.
#include <unistd.h>

#include <cstdio>
#include <string>
#include <tine/coroutine.hpp>
#include <tine/module.hpp>
#include <vector>

using namespace std::chrono_literals;

namespace {

/// test1 and test2 of the seed switch to one another by name; gives what they print.
std::vector<int> greenlets() {
  std::vector<int> printed;
  std::vector<tine::Greenlet> all;
  all.emplace_back([&] {
    printed.push_back(12);
    all[1].switch_to();
    printed.push_back(34);
    all[1].switch_to();
  });
  all.emplace_back([&] {
    printed.push_back(56);
    all[0].switch_to();
    printed.push_back(78);
  });
  all[0].switch_to();
  return printed;
}

/// gevent's spawn, joinall and sleep(0).
std::vector<std::string> spawn_join_all() {
  std::vector<std::string> printed;
  const auto foo = tine::spawn([&] {
    printed.emplace_back("Running in foo");
    tine::sleep(0s);
    printed.emplace_back("Explicit context switch to foo again");
  });
  const auto bar = tine::spawn([&] {
    printed.emplace_back("Explicit context to bar");
    tine::sleep(0s);
    printed.emplace_back("Implicit context switch back to bar");
  });
  tine::join_all({foo, bar});
  return printed;
}

int overrun(int depth) {
  volatile char page[4096] = {};
  page[0] = static_cast<char>(depth);
  return depth < 0 ? 0 : overrun(depth + 1) + page[0];
}

/// Tells by a file that its stack was unwound.
struct Trace {
  std::string path;
  ~Trace() {
    if (std::FILE* file = std::fopen(path.c_str(), "w")) std::fclose(file);
  }
};

}  // namespace

TINE_MODULE(m) {
  m.function("greenlets", greenlets);
  m.function("spawn_join_all", spawn_join_all);
  m.function("overrun", [] { return overrun(0); });
  m.function("pid", [] { return static_cast<int>(::getpid()); });
  m.function("say", [](std::string text) { std::printf("%s\n", text.c_str()); });
  m.function("wait_traced", [](std::string path) {
    const Trace trace{path};
    std::this_thread::sleep_for(600s);
  });
  m.function("hog", [](int milliseconds) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
    while (std::chrono::steady_clock::now() < end) continue;
    return true;
  });
  m.function("stubborn", [](int milliseconds) {
    // Goes on after it was told to end.
    for (int i = 0; i < 2; ++i) try {
        std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
      } catch (...) {
      }
    return "done";
  });
}
