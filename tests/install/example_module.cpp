#include <tine/module.hpp>

TINE_MODULE(m) {
  m.function("foo", [](int i) { return i + 100; });
}
