#pragma once
#include <fcntl.h>
#include <unistd.h>

namespace tine {

/// Cron and supervisors may close 0 to 2; the next open would land there and be written to as if it were a
/// terminal.
inline void open_standard_descriptors() {
  for (int fd = ::open("/dev/null", O_RDWR); fd >= 0; fd = ::dup(fd)) {
    if (fd <= 2) continue;
    ::close(fd);
    return;
  }
}

}  // namespace tine
