#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/base/unique_fd.hpp"
#include "core/coroutine/timer_heap.hpp"

namespace tine {

struct Party;
class Scheduler;

/// One party's wait for one descriptor. Any number may wait for the same one.
struct DescriptorWait {
  int fd = -1;               ///< -1: none
  std::uint32_t events = 0;  ///< poll's bits; errors and hang-ups count always
  Party* party = nullptr;
  DescriptorWait *before = nullptr, *next = nullptr;
  bool linked = false;
};

/// Who waits for which descriptor, on an epoll of its own. Registrations are one-shot and made anew for each
/// wait: a number that was closed and given to another file is noticed, and nothing is told to nobody.
class DescriptorWaits {
 public:
  DescriptorWaits();  ///< Errors: std::system_error

  /// 0, or what epoll_ctl said; EPERM: such a file never makes anyone wait.
  int add(DescriptorWait& wait);
  void remove(DescriptorWait& wait);
  /// Wakes all that wait for the descriptor.
  void closing(int fd);
  bool empty() const { return waiting_ == 0; }
  /// Wakes those whose descriptors are ready. Blocks at most until the deadline. False: a signal came.
  bool poll(Instant deadline);
  void close() { epoll_.reset(); }

 private:
  int arm(int fd);
  void wake(int fd, std::uint32_t events);
  UniqueFd epoll_;
  struct Descriptor {
    DescriptorWait* first = nullptr;
    bool registered = false;  ///< likely; saves a system call where it is right
  };
  std::vector<Descriptor> by_fd_;
  std::size_t waiting_ = 0;
};

}  // namespace tine
