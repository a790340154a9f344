// Holds $TINE_PRELOAD_MB of memory from its load on, and has a function that costs its worker.
#include <unistd.h>

#include <cstdlib>
#include <tine/module.hpp>

TINE_MODULE(m) {
  const char* megabytes = std::getenv("TINE_PRELOAD_MB");
  auto* held = new std::vector<char>((megabytes ? std::strtoull(megabytes, nullptr, 10) : 0) << 20, 'x');
  m.function("crash", [held](int) { ::_exit(held->empty() ? 0 : held->back()); });
}
