#undef _FORTIFY_SOURCE  // its inline forms of these calls would stand in the way of ours
#include "core/coroutine/blocking_calls.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <ctime>
#include <exception>
#include <vector>

#include "core/coroutine/libc_calls.hpp"
#include "core/coroutine/scheduler.hpp"

namespace tine {
namespace {

using Signals = WaitFor::Signals;

Instant span(const timespec& time) {
  if (time.tv_sec >= never / 2'000'000'000) return never / 2;
  return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

/// The end of a wait, as its libc call sees it. True: look again. False: errno is set, the call's answer is
/// -1; `at_deadline` is the errno for a time that is over. Throws what is thrown into the task, where it may.
bool goes_on(std::optional<Woke> woke, int at_deadline) {
  if (!woke) return false;
  switch (*woke) {
    case Woke::told:
      return true;
    case Woke::timed_out:
      errno = at_deadline;
      return false;
    case Woke::signalled:
      errno = EINTR;
      return false;
    case Woke::interrupted:
      break;
  }
  Party& self = Scheduler::here().running();
  if (self.c_calls == 0 && std::uncaught_exceptions() == 0) self.throw_interrupt();
  errno = ECANCELED;
  return false;
}

/// What a call on one descriptor does between its tries. Costs nothing until the first would have waited.
class Patience {
 public:
  /// `time_limit`: SO_RCVTIMEO or SO_SNDTIMEO.
  Patience(int fd, short events, int time_limit)
      : wait_{fd, static_cast<std::uint32_t>(events)}, time_limit_(time_limit) {}

  /// The call would wait. True: try again. False: its answer is -1, with this errno.
  bool again() {
    if (!asked_) {
      asked_ = true;
      const int flags = ::fcntl(wait_.fd, F_GETFL);
      if (flags < 0 || (flags & O_NONBLOCK)) {
        errno = EAGAIN;
        return false;
      }
      timeval limit{};
      socklen_t size = sizeof limit;
      if (::getsockopt(wait_.fd, SOL_SOCKET, time_limit_, &limit, &size) == 0 &&
          (limit.tv_sec || limit.tv_usec))
        deadline_ = now() + span({limit.tv_sec, limit.tv_usec * 1000});
    }
    // The kernel never restarts a call with a limit.
    const Signals signals = deadline_ == never ? Signals::unless_restarting : Signals::always;
    return goes_on(Scheduler::here().wait_descriptors(&wait_, 1, deadline_, {.signals = signals}), EAGAIN);
  }

 private:
  DescriptorWait wait_;
  int time_limit_;
  bool asked_ = false;
  Instant deadline_ = never;
};

bool would_wait() { return errno == EAGAIN || errno == EWOULDBLOCK; }

bool is_ready(int fd, short events) {
  pollfd one{fd, events, 0};
  return libc().poll(&one, 1, 0) != 0;
}

/// The parts of an iovec that are still to be done.
class Remainder {
 public:
  Remainder(const iovec* parts, std::size_t count) : parts_(parts, parts + count) {}
  void advance(std::size_t bytes) {
    while (first_ < parts_.size() && bytes >= parts_[first_].iov_len) bytes -= parts_[first_++].iov_len;
    if (first_ == parts_.size()) return;
    parts_[first_].iov_base = static_cast<char*>(parts_[first_].iov_base) + bytes;
    parts_[first_].iov_len -= bytes;
  }
  iovec* data() { return parts_.data() + first_; }
  std::size_t count() const { return parts_.size() - first_; }

 private:
  std::vector<iovec> parts_;
  std::size_t first_ = 0;
};

std::size_t total(const iovec* parts, std::size_t count) {
  std::size_t sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += parts[i].iov_len;
  return sum;
}

/// `try_once(done)` does one non-blocking step after `done` bytes. Goes on until all `size` are done where
/// `whole`, else until a step did something.
template <class Step>
ssize_t transfer(int fd, short events, int time_limit, std::size_t size, bool whole, Step step) {
  Patience patience(fd, events, time_limit);
  std::size_t done = 0;
  for (;;) {
    const ssize_t n = step(done);
    if (n >= 0) {
      done += n;
      if (!whole || n == 0 || done >= size) return done;
    } else if (!would_wait() || !patience.again()) {
      return done > 0 ? static_cast<ssize_t>(done) : -1;
    }
  }
}

constexpr short incoming = POLLIN | POLLRDHUP;

/// Receives that never wait in the kernel, or whose rules are their own.
bool is_left_to_libc(int flags) { return flags & (MSG_DONTWAIT | MSG_ERRQUEUE | MSG_OOB); }
/// MSG_WAITALL with MSG_PEEK cannot be done in steps: it gives what is there.
bool wants_all(int flags) { return (flags & (MSG_WAITALL | MSG_PEEK)) == MSG_WAITALL; }

/// On what is no socket: `call` when it is ready.
template <class Call>
ssize_t when_ready(int fd, short events, Call call) {
  Patience patience(fd, events, 0);
  while (!is_ready(fd, events))
    if (!patience.again()) return -1;
  return call();
}

/// A pipe that is ready takes PIPE_BUF bytes without waiting; more may wait.
ssize_t write_in_steps(int fd, const char* data, std::size_t size) {
  struct stat file;
  const int flags = ::fcntl(fd, F_GETFL);
  if (size == 0 || flags < 0 || (flags & O_NONBLOCK) || ::fstat(fd, &file) < 0 || S_ISREG(file.st_mode) ||
      S_ISBLK(file.st_mode))
    return libc().write(fd, data, size);
  std::size_t done = 0;
  while (done < size) {
    const std::size_t step = std::min<std::size_t>(size - done, PIPE_BUF);
    const ssize_t n = when_ready(fd, POLLOUT, [&] { return libc().write(fd, data + done, step); });
    if (n < 0) return done > 0 ? static_cast<ssize_t>(done) : -1;
    done += n;
    if (static_cast<std::size_t>(n) < step) break;
  }
  return done;
}

ssize_t read_in_task(int fd, void* data, std::size_t size) {
  if (size == 0) return libc().read(fd, data, size);
  const ssize_t n = transfer(fd, incoming, SO_RCVTIMEO, size, false,
                             [&](std::size_t) { return libc().recv(fd, data, size, MSG_DONTWAIT); });
  if (n >= 0 || errno != ENOTSOCK) return n;
  return when_ready(fd, POLLIN, [&] { return libc().read(fd, data, size); });
}

ssize_t write_in_task(int fd, const void* data, std::size_t size) {
  const auto* const bytes = static_cast<const char*>(data);
  const ssize_t n = transfer(fd, POLLOUT, SO_SNDTIMEO, size, true, [&](std::size_t done) {
    return libc().send(fd, bytes + done, size - done, MSG_DONTWAIT);
  });
  if (n >= 0 || errno != ENOTSOCK) return n;
  return write_in_steps(fd, bytes, size);
}

ssize_t receive_message(int fd, msghdr* message, int flags) {
  if (!wants_all(flags))
    return transfer(fd, incoming, SO_RCVTIMEO, 0, false,
                    [&](std::size_t) { return libc().recvmsg(fd, message, flags | MSG_DONTWAIT); });
  const msghdr given = *message;
  Remainder remainder(given.msg_iov, given.msg_iovlen);
  std::size_t before = 0;
  const ssize_t n = transfer(fd, incoming, SO_RCVTIMEO, total(given.msg_iov, given.msg_iovlen), true,
                             [&](std::size_t done) {
                               remainder.advance(done - std::exchange(before, done));
                               msghdr rest = given;
                               rest.msg_iov = remainder.data();
                               rest.msg_iovlen = remainder.count();
                               if (done > 0) rest.msg_control = nullptr, rest.msg_controllen = 0;
                               const ssize_t one = libc().recvmsg(fd, &rest, flags | MSG_DONTWAIT);
                               if (one >= 0 && done == 0) {
                                 message->msg_namelen = rest.msg_namelen;
                                 message->msg_controllen = rest.msg_controllen;
                                 message->msg_flags = rest.msg_flags;
                               }
                               return one;
                             });
  return n;
}

ssize_t send_message(int fd, const msghdr* message, int flags) {
  Remainder remainder(message->msg_iov, message->msg_iovlen);
  std::size_t before = 0;
  return transfer(
      fd, POLLOUT, SO_SNDTIMEO, total(message->msg_iov, message->msg_iovlen), true, [&](std::size_t done) {
        remainder.advance(done - std::exchange(before, done));
        msghdr rest = *message;
        rest.msg_iov = remainder.data();
        rest.msg_iovlen = remainder.count();
        if (done > 0)
          rest.msg_control = nullptr, rest.msg_controllen = 0;  // descriptors were sent with the first byte
        return libc().sendmsg(fd, &rest, flags | MSG_DONTWAIT);
      });
}

int connect_in_task(int fd, const sockaddr* address, socklen_t size) {
  constexpr Instant full_backlog_ns = 2'000'000;
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || (flags & O_NONBLOCK)) return libc().connect(fd, address, size);
  Patience patience(fd, POLLOUT, SO_SNDTIMEO);
  for (;;) {
    ::fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    const int result = libc().connect(fd, address, size);
    const int error = errno;
    ::fcntl(fd, F_SETFL, flags);
    errno = error;
    if (result == 0) return 0;
    if (error == EINPROGRESS || error == EALREADY) break;
    if (error != EAGAIN) return -1;
    // A Unix socket whose backlog is full: nothing tells when there is room.
    if (!goes_on(Scheduler::here().wait(now() + full_backlog_ns), EAGAIN) && errno != EAGAIN) return -1;
  }
  while (!is_ready(fd, POLLOUT))
    if (!patience.again()) {
      if (errno == EAGAIN) errno = EINPROGRESS;
      return -1;
    }
  int error = 0;
  socklen_t error_size = sizeof error;
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_size) < 0) return -1;
  errno = error;
  return error ? -1 : 0;
}

template <class Accept>
int accept_in_task(int fd, Accept call) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || (flags & O_NONBLOCK)) return call();
  Patience patience(fd, POLLIN, SO_RCVTIMEO);
  while (!is_ready(fd, POLLIN))
    if (!patience.again()) return -1;
  return call();
}

constexpr Instant mask_slice_ns = 50'000'000;

/// `look()` is the call with no time to wait: above 0 or below, its answer; 0: nothing yet. `sliced`: looks
/// every mask_slice_ns at least.
template <class Look>
int wait_for_any(std::vector<DescriptorWait>& waits, Instant deadline, bool sliced, Look look) {
  for (;;) {
    const int n = look();
    if (n != 0) return n;
    const Instant time = now();
    if (time >= deadline) return 0;
    const Instant until = sliced ? std::min(deadline, time + mask_slice_ns) : deadline;
    const auto woke =
        Scheduler::here().wait_descriptors(waits.data(), waits.size(), until, {.signals = Signals::always});
    if (woke == Woke::timed_out) continue;
    if (!goes_on(woke, 0)) return -1;
  }
}

int poll_in_task(pollfd* fds, nfds_t count, Instant deadline, const sigset_t* mask) {
  std::vector<DescriptorWait> waits;
  const auto look = [&] {
    constexpr timespec at_once{};
    const int n = mask ? libc().ppoll(fds, count, &at_once, mask) : libc().poll(fds, count, 0);
    if (n == 0 && waits.empty())
      for (nfds_t i = 0; i < count; ++i)
        if (fds[i].fd >= 0) waits.push_back({fds[i].fd, static_cast<std::uint32_t>(fds[i].events)});
    return n;
  };
  return wait_for_any(waits, deadline, mask != nullptr, look);
}

struct Sets {
  fd_set read, write, except;
};

int select_in_task(int count, fd_set* read, fd_set* write, fd_set* except, Instant deadline,
                   const sigset_t* mask) {
  Sets wanted{};
  if (read) wanted.read = *read;
  if (write) wanted.write = *write;
  if (except) wanted.except = *except;
  std::vector<DescriptorWait> waits;
  const auto look = [&] {
    constexpr timespec at_once{};
    if (read) *read = wanted.read;
    if (write) *write = wanted.write;
    if (except) *except = wanted.except;
    const int n = libc().pselect(count, read, write, except, &at_once, mask);
    if (n != 0 || !waits.empty()) return n;
    for (int fd = 0; fd < count; ++fd) {
      const std::uint32_t events = (read && FD_ISSET(fd, &wanted.read) ? incoming : 0) |
                                   (write && FD_ISSET(fd, &wanted.write) ? POLLOUT : 0) |
                                   (except && FD_ISSET(fd, &wanted.except) ? POLLPRI : 0);
      if (events) waits.push_back({fd, events});
    }
    return 0;
  };
  return wait_for_any(waits, deadline, mask != nullptr, look);
}

/// 0, or the errno; `left`: of the time, where it was not all slept.
int sleep_in_task(Instant until, timespec* left) {
  Scheduler& scheduler = Scheduler::here();
  if (until <= now()) {
    coroutine_detail::yield();
    return 0;
  }
  const Woke woke = scheduler.wait(until, {.signals = Signals::always});
  if (woke == Woke::timed_out) return 0;
  goes_on(woke, 0);
  const int error = errno;
  const Instant rest = std::max<Instant>(0, until - now());
  if (left) *left = {rest / 1'000'000'000, rest % 1'000'000'000};
  return error;
}

bool is_valid(const timespec& time) {
  return time.tv_sec >= 0 && time.tv_nsec >= 0 && time.tv_nsec < 1'000'000'000;
}

Instant deadline_after(Instant nanoseconds) {
  const Instant present = now();
  return nanoseconds >= never - present ? never : present + nanoseconds;
}

bool in_task() { return Scheduler::running_task() != nullptr; }

}  // namespace
}  // namespace tine

using namespace tine;  // the definitions below are libc's names, outside of every namespace

extern "C" {

[[noreturn]] void __chk_fail();

int connect(int fd, const sockaddr* address, socklen_t size) {
  return in_task() ? connect_in_task(fd, address, size) : libc().connect(fd, address, size);
}

int accept(int fd, sockaddr* address, socklen_t* size) {
  if (!in_task()) return libc().accept(fd, address, size);
  return accept_in_task(fd, [&] { return libc().accept(fd, address, size); });
}

int accept4(int fd, sockaddr* address, socklen_t* size, int flags) {
  if (!in_task()) return libc().accept4(fd, address, size, flags);
  return accept_in_task(fd, [&] { return libc().accept4(fd, address, size, flags); });
}

ssize_t read(int fd, void* data, size_t size) {
  return in_task() ? read_in_task(fd, data, size) : libc().read(fd, data, size);
}

ssize_t readv(int fd, const iovec* parts, int count) {
  if (!in_task() || count <= 0 || count > IOV_MAX || total(parts, count) == 0)
    return libc().readv(fd, parts, count);
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts);
  message.msg_iovlen = count;
  const ssize_t n = receive_message(fd, &message, 0);
  if (n >= 0 || errno != ENOTSOCK) return n;
  return when_ready(fd, POLLIN, [&] { return libc().readv(fd, parts, count); });
}

ssize_t recv(int fd, void* data, size_t size, int flags) {
  return recvfrom(fd, data, size, flags, nullptr, nullptr);
}

ssize_t recvfrom(int fd, void* data, size_t size, int flags, sockaddr* address, socklen_t* address_size) {
  if (!in_task() || is_left_to_libc(flags))
    return libc().recvfrom(fd, data, size, flags, address, address_size);
  auto* const bytes = static_cast<char*>(data);
  return transfer(fd, incoming, SO_RCVTIMEO, size, wants_all(flags), [&](std::size_t done) {
    return libc().recvfrom(fd, bytes + done, size - done, flags | MSG_DONTWAIT, address, address_size);
  });
}

ssize_t recvmsg(int fd, msghdr* message, int flags) {
  return in_task() && !is_left_to_libc(flags) ? receive_message(fd, message, flags)
                                              : libc().recvmsg(fd, message, flags);
}

ssize_t write(int fd, const void* data, size_t size) {
  return in_task() ? write_in_task(fd, data, size) : libc().write(fd, data, size);
}

ssize_t writev(int fd, const iovec* parts, int count) {
  if (!in_task() || count <= 0 || count > IOV_MAX) return libc().writev(fd, parts, count);
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts);
  message.msg_iovlen = count;
  const ssize_t sent = send_message(fd, &message, 0);
  if (sent >= 0 || errno != ENOTSOCK) return sent;
  struct stat file;
  if (::fstat(fd, &file) < 0 || S_ISREG(file.st_mode) || total(parts, count) <= PIPE_BUF)
    return when_ready(fd, POLLOUT, [&] { return libc().writev(fd, parts, count); });
  ssize_t done = 0;
  for (int i = 0; i < count; ++i) {
    const ssize_t n = write_in_steps(fd, static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
    if (n < 0) return done > 0 ? done : -1;
    done += n;
    if (static_cast<std::size_t>(n) < parts[i].iov_len) break;
  }
  return done;
}

ssize_t send(int fd, const void* data, size_t size, int flags) {
  return sendto(fd, data, size, flags, nullptr, 0);
}

ssize_t sendto(int fd, const void* data, size_t size, int flags, const sockaddr* address,
               socklen_t address_size) {
  if (!in_task() || (flags & MSG_DONTWAIT))
    return libc().sendto(fd, data, size, flags, address, address_size);
  const auto* const bytes = static_cast<const char*>(data);
  return transfer(fd, POLLOUT, SO_SNDTIMEO, size, true, [&](std::size_t done) {
    return libc().sendto(fd, bytes + done, size - done, flags | MSG_DONTWAIT, address, address_size);
  });
}

ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  return in_task() && !(flags & MSG_DONTWAIT) ? send_message(fd, message, flags)
                                              : libc().sendmsg(fd, message, flags);
}

int close(int fd) {
  if (Scheduler* const scheduler = Scheduler::existing()) scheduler->closing(fd);
  return libc().close(fd);
}

int poll(pollfd* fds, nfds_t count, int timeout_ms) {
  if (!in_task() || timeout_ms == 0) return libc().poll(fds, count, timeout_ms);
  return poll_in_task(fds, count, timeout_ms < 0 ? never : deadline_after(timeout_ms * 1'000'000LL), nullptr);
}

int ppoll(pollfd* fds, nfds_t count, const timespec* timeout, const sigset_t* mask) {
  if (!in_task() || (timeout && !is_valid(*timeout))) return libc().ppoll(fds, count, timeout, mask);
  return poll_in_task(fds, count, timeout ? deadline_after(span(*timeout)) : never, mask);
}

int select(int count, fd_set* read, fd_set* write, fd_set* except, timeval* timeout) {
  if (!in_task() || count < 0 || count > FD_SETSIZE ||
      (timeout && (timeout->tv_sec < 0 || timeout->tv_usec < 0)))
    return libc().select(count, read, write, except, timeout);
  const Instant deadline =
      timeout ? deadline_after(span({timeout->tv_sec, 0}) + timeout->tv_usec * 1000LL) : never;
  const int n = select_in_task(count, read, write, except, deadline, nullptr);
  if (timeout && n >= 0) {  // Linux gives back what is left
    const Instant left = std::max<Instant>(0, deadline - now());
    *timeout = {left / 1'000'000'000, left % 1'000'000'000 / 1000};
  }
  return n;
}

int pselect(int count, fd_set* read, fd_set* write, fd_set* except, const timespec* timeout,
            const sigset_t* mask) {
  if (!in_task() || count < 0 || count > FD_SETSIZE || (timeout && !is_valid(*timeout)))
    return libc().pselect(count, read, write, except, timeout, mask);
  return select_in_task(count, read, write, except, timeout ? deadline_after(span(*timeout)) : never, mask);
}

unsigned int sleep(unsigned int seconds) {
  if (!in_task()) return libc().sleep(seconds);
  timespec left{};
  const int error = sleep_in_task(deadline_after(seconds * 1'000'000'000LL), &left);
  if (error == 0) return 0;
  errno = error;
  return left.tv_sec + (left.tv_nsec >= 500'000'000);
}

int usleep(useconds_t microseconds) {
  if (!in_task()) return libc().usleep(microseconds);
  const int error = sleep_in_task(deadline_after(microseconds * 1000LL), nullptr);
  if (error) errno = error;
  return error ? -1 : 0;
}

int nanosleep(const timespec* time, timespec* left) {
  if (!in_task() || !is_valid(*time)) return libc().nanosleep(time, left);
  const int error = sleep_in_task(deadline_after(span(*time)), left);
  if (error) errno = error;
  return error ? -1 : 0;
}

int clock_nanosleep(clockid_t clock, int flags, const timespec* time, timespec* left) {
  const bool is_wall_time =
      clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME || clock == CLOCK_TAI;
  if (!in_task() || !is_wall_time || !is_valid(*time))
    return libc().clock_nanosleep(clock, flags, time, left);
  Instant sleep_ns = span(*time);
  if (flags & TIMER_ABSTIME) {
    timespec present;
    ::clock_gettime(clock, &present);
    sleep_ns -= span(present);
    left = nullptr;
  }
  return sleep_in_task(deadline_after(sleep_ns), left);
}

// What the compiler makes of these calls with _FORTIFY_SOURCE.

ssize_t __read_chk(int fd, void* data, size_t size, size_t room) {
  if (size > room) __chk_fail();
  return read(fd, data, size);
}

ssize_t __recv_chk(int fd, void* data, size_t size, size_t room, int flags) {
  if (size > room) __chk_fail();
  return recv(fd, data, size, flags);
}

ssize_t __recvfrom_chk(int fd, void* data, size_t size, size_t room, int flags, sockaddr* address,
                       socklen_t* address_size) {
  if (size > room) __chk_fail();
  return recvfrom(fd, data, size, flags, address, address_size);
}

int __poll_chk(pollfd* fds, nfds_t count, int timeout_ms, size_t room) {
  if (room / sizeof *fds < count) __chk_fail();
  return poll(fds, count, timeout_ms);
}

int __ppoll_chk(pollfd* fds, nfds_t count, const timespec* timeout, const sigset_t* mask, size_t room) {
  if (room / sizeof *fds < count) __chk_fail();
  return ppoll(fds, count, timeout, mask);
}

}  // extern "C"
