#include <stdexcept>
#include <tine/module.hpp>

TINE_MODULE(m) {
  m.function("foo", [](int i) {
    std::this_thread::sleep_for(2s);
    return i + 100;
  });
  m.function("add", [](int a, int b) { return a + b; });
  m.function("fail", [](const std::string& why) -> int { throw std::runtime_error(why); });
}
