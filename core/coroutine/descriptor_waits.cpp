#include "core/coroutine/descriptor_waits.hpp"

#include <poll.h>
#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "core/coroutine/scheduler.hpp"

namespace tine {
namespace {
static_assert(POLLIN == EPOLLIN && POLLOUT == EPOLLOUT && POLLPRI == EPOLLPRI && POLLERR == EPOLLERR &&
              POLLHUP == EPOLLHUP && POLLRDHUP == EPOLLRDHUP);

/// Up to a nanosecond's precision where the kernel has it (5.11), else a millisecond's, never too early.
int wait_until(int epoll, epoll_event* events, int count, Instant deadline) {
  static bool is_precise = true;
  const Instant left = deadline == never ? never : std::max<Instant>(0, deadline - now());
  if (is_precise) {
    const timespec time{left / 1'000'000'000, left % 1'000'000'000};
    const int n = ::epoll_pwait2(epoll, events, count, deadline == never ? nullptr : &time, nullptr);
    if (n >= 0 || errno != ENOSYS) return n;
    is_precise = false;
  }
  const Instant ms = std::min<Instant>(left / 1'000'000 + (left % 1'000'000 != 0), 1'000'000'000);
  return ::epoll_wait(epoll, events, count, deadline == never ? -1 : static_cast<int>(ms));
}

}  // namespace

DescriptorWaits::DescriptorWaits() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (!epoll_) throw std::system_error(errno, std::system_category(), "epoll_create1");
}

int DescriptorWaits::arm(int fd) {
  epoll_event event{};
  event.events = EPOLLONESHOT;
  for (const DescriptorWait* wait = by_fd_[fd].first; wait; wait = wait->next) event.events |= wait->events;
  event.data.fd = fd;
  bool& registered = by_fd_[fd].registered;
  for (int tries = 0; tries < 2; ++tries) {
    if (::epoll_ctl(epoll_.get(), registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) == 0) {
      registered = true;
      return 0;
    }
    if (errno != (registered ? ENOENT : EEXIST)) break;
    registered = !registered;
  }
  return errno;
}

int DescriptorWaits::add(DescriptorWait& wait) {
  if (wait.fd < 0) return EBADF;
  if (by_fd_.size() <= static_cast<std::size_t>(wait.fd))
    by_fd_.resize(std::max<std::size_t>(wait.fd + 1, by_fd_.size() * 2));
  DescriptorWait*& first = by_fd_[wait.fd].first;
  wait.before = nullptr;
  wait.next = first;
  if (first) first->before = &wait;
  first = &wait;
  wait.linked = true;
  ++waiting_;
  const int error = arm(wait.fd);
  if (error) remove(wait);
  return error;
}

void DescriptorWaits::remove(DescriptorWait& wait) {
  if (!wait.linked) return;
  wait.linked = false;
  --waiting_;
  (wait.before ? wait.before->next : by_fd_[wait.fd].first) = wait.next;
  if (wait.next) wait.next->before = wait.before;
}

void DescriptorWaits::closing(int fd) {
  if (fd < 0 || static_cast<std::size_t>(fd) >= by_fd_.size()) return;
  wake(fd, ~0u);
  by_fd_[fd].registered = false;
}

void DescriptorWaits::wake(int fd, std::uint32_t events) {
  for (DescriptorWait *wait = by_fd_[fd].first, *next; wait; wait = next) {
    next = wait->next;
    if (!(events & (wait->events | EPOLLERR | EPOLLHUP))) continue;
    remove(*wait);
    wait->party->scheduler.wake(*wait->party);
  }
}

bool DescriptorWaits::poll(Instant deadline) {
  epoll_event events[256];
  const int count = wait_until(epoll_.get(), events, 256, deadline);
  if (count < 0) return false;
  for (int i = 0; i < count; ++i) {
    const int fd = events[i].data.fd;
    wake(fd, events[i].events);
    if (by_fd_[fd].first) arm(fd);  // the one shot was for somebody else
  }
  return true;
}

}  // namespace tine
