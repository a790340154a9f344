#include "tests/support/eventually.hpp"

#include <thread>

namespace tine::test {

bool eventually(const std::function<bool()>& predicate, std::chrono::milliseconds within) {
  constexpr auto pause = std::chrono::milliseconds(10);
  const auto deadline = std::chrono::steady_clock::now() + within;
  while (!predicate()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(pause);
  }
  return true;
}

}  // namespace tine::test
