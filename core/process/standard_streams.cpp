#include "core/process/standard_streams.hpp"

#include <cstdio>
#include <iostream>

namespace tine {

void flush_standard_streams() {
  std::cout.flush();  // buffers of its own after sync_with_stdio(false)
  std::clog.flush();
  std::fflush(nullptr);
}

}  // namespace tine
