#include "core/coroutine/blocking_calls.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <numeric>
#include <string>
#include <thread>
#include <tine/coroutine.hpp>

#include "core/base/unique_fd.hpp"

using namespace std::chrono_literals;
using tine::UniqueFd;
using Clock = std::chrono::steady_clock;

namespace {

std::array<UniqueFd, 2> socket_pair(int type = SOCK_STREAM) {
  int fds[2];
  REQUIRE(::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) == 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

std::array<UniqueFd, 2> pipe_pair() {
  int fds[2];
  REQUIRE(::pipe2(fds, O_CLOEXEC) == 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

/// A socket that listens on 127.0.0.1, and its address.
struct Listener {
  UniqueFd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_in address{};
  explicit Listener(int backlog = 128) {
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(fd.get(), backlog) == 0);
    REQUIRE(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  }
  const sockaddr* name() const { return reinterpret_cast<const sockaddr*>(&address); }
};

/// Runs `waits` as a task beside one that counts its turns and then lets it go on by `ends`. The thread must
/// not have been held: the other one had its turns while this one waited.
void check_gives_way(const std::function<void()>& waits, const std::function<void()>& ends) {
  bool ended = false;
  int turns = 0;
  auto waiting = tine::spawn([&] {
    waits();
    ended = true;
  });
  auto other = tine::spawn([&] {
    for (int i = 0; i < 3; ++i) {
      tine::sleep(1ms);
      if (!ended) ++turns;
    }
    ends();
  });
  REQUIRE(tine::join_all({waiting, other}, 10s));
  waiting.get();
  other.get();
  CHECK(turns == 3);
}

/// A call that waits for ever on something that is held here.
struct StuckCall {
  std::string name;
  std::function<long()> call;
};

/// Every call of the list, each with nothing that would end it.
template <class Each>
void with_each_stuck_call(Each each) {
  auto [ours, theirs] = socket_pair();
  auto [full, unread] = socket_pair();
  auto [pipe_out, pipe_in] = pipe_pair();
  auto [full_pipe_out, full_pipe_in] = pipe_pair();
  static char bytes[1 << 16];
  while (::send(full.get(), bytes, sizeof bytes, MSG_DONTWAIT) > 0) continue;
  REQUIRE(::fcntl(full_pipe_in.get(), F_SETFL, O_NONBLOCK) == 0);
  while (::write(full_pipe_in.get(), bytes, sizeof bytes) > 0) continue;
  REQUIRE(::fcntl(full_pipe_in.get(), F_SETFL, 0) == 0);
  const Listener listener;
  const Listener crowded(0);
  std::vector<UniqueFd> crowd;  // a full backlog: the next connect waits
  for (int i = 0; i < 8; ++i) {
    crowd.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    ::connect(crowd.back().get(), crowded.name(), sizeof crowded.address);
  }
  UniqueFd connecting(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  iovec part{bytes, sizeof bytes};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  pollfd one{ours.get(), POLLIN, 0};
  const timespec hour{3600, 0};
  const int in = ours.get(), out = full.get();
  fd_set set;
  for (const StuckCall& stuck : std::vector<StuckCall>{
           {"connect", [&] { return ::connect(connecting.get(), crowded.name(), sizeof crowded.address); }},
           {"accept", [&] { return ::accept(listener.fd.get(), nullptr, nullptr); }},
           {"accept4", [&] { return ::accept4(listener.fd.get(), nullptr, nullptr, SOCK_CLOEXEC); }},
           {"read", [&] { return ::read(in, bytes, 1); }},
           {"read of a pipe", [&] { return ::read(pipe_out.get(), bytes, 1); }},
           {"readv", [&] { return ::readv(in, &part, 1); }},
           {"readv of a pipe", [&] { return ::readv(pipe_out.get(), &part, 1); }},
           {"recv", [&] { return ::recv(in, bytes, 1, 0); }},
           {"recvfrom", [&] { return ::recvfrom(in, bytes, 1, 0, nullptr, nullptr); }},
           {"recvmsg", [&] { return ::recvmsg(in, &message, 0); }},
           {"write", [&] { return ::write(out, bytes, sizeof bytes); }},
           {"write to a pipe", [&] { return ::write(full_pipe_in.get(), bytes, sizeof bytes); }},
           {"writev", [&] { return ::writev(out, &part, 1); }},
           {"writev to a pipe", [&] { return ::writev(full_pipe_in.get(), &part, 1); }},
           {"send", [&] { return ::send(out, bytes, sizeof bytes, 0); }},
           {"sendto", [&] { return ::sendto(out, bytes, sizeof bytes, 0, nullptr, 0); }},
           {"sendmsg", [&] { return ::sendmsg(out, &message, 0); }},
           {"poll", [&] { return ::poll(&one, 1, -1); }},
           {"ppoll", [&] { return ::ppoll(&one, 1, &hour, nullptr); }},
           {"select",
            [&] {
              FD_ZERO(&set);
              FD_SET(in, &set);
              return ::select(in + 1, &set, nullptr, nullptr, nullptr);
            }},
           {"pselect",
            [&] {
              FD_ZERO(&set);
              FD_SET(in, &set);
              return ::pselect(in + 1, &set, nullptr, nullptr, &hour, nullptr);
            }},
           {"sleep", [&] { return static_cast<long>(::sleep(3600)); }},
           {"usleep", [&] { return ::usleep(3'600'000'000u); }},
           {"nanosleep", [&] { return ::nanosleep(&hour, nullptr); }},
           {"clock_nanosleep", [&] { return ::clock_nanosleep(CLOCK_MONOTONIC, 0, &hour, nullptr); }}}) {
    CAPTURE(stuck.name);
    each(stuck);
  }
}

void ignore_signal(int) {}

/// A handler for SIGUSR1, for the life of this.
struct Handler {
  struct sigaction before {};
  explicit Handler(int flags) {
    struct sigaction action {};
    action.sa_handler = ignore_signal;
    action.sa_flags = flags;
    ::sigaction(SIGUSR1, &action, &before);
  }
  ~Handler() { ::sigaction(SIGUSR1, &before, nullptr); }
};

/// A thread that sends SIGUSR1 to this one until it goes.
class Signals {
 public:
  Signals()
      : target_(::pthread_self()), sender_([this] {
          while (!done_) {
            ::pthread_kill(target_, SIGUSR1);
            std::this_thread::sleep_for(2ms);
          }
        }) {}
  ~Signals() {
    done_ = true;
    sender_.join();
  }

 private:
  pthread_t target_;
  std::atomic<bool> done_{false};
  std::thread sender_;
};

}  // namespace

TEST_CASE("blocking calls: a task killed while it waits in each of them unwinds there") {
  with_each_stuck_call([](const StuckCall& stuck) {
    bool unwound = false, returned = false;
    auto task = tine::spawn([&] {
      struct Guard {
        bool& gone;
        ~Guard() { gone = true; }
      } guard{unwound};
      stuck.call();
      returned = true;
    });
    tine::sleep(0s);
    CHECK(!task.ready());
    CHECK(task.kill(5s));
    CHECK(unwound);
    CHECK(!returned);
    CHECK_THROWS_AS(task.get(), tine::TaskKilled);
  });
}

TEST_CASE("blocking calls: a Timeout ends each of them, whatever stalls") {
  with_each_stuck_call([](const StuckCall& stuck) {
    auto task = tine::spawn([&] {
      tine::Timeout limit(1ms);
      stuck.call();
    });
    REQUIRE(task.join(5s));
    CHECK_THROWS_AS(task.get(), tine::TimeoutError);
  });
}

TEST_CASE("blocking calls: inside c_calls each of them says ECANCELED") {
  with_each_stuck_call([](const StuckCall& stuck) {
    long result = 0;
    int error = 0;
    auto task = tine::spawn([&] {
      tine::Timeout limit(1ms);
      tine::c_calls([&] {
        result = stuck.call();
        error = result > 0 ? errno : result == 0 ? 0 : errno;
      });
      FAIL("the throw comes at the end of c_calls");
    });
    REQUIRE(task.join(5s));
    CHECK_THROWS_AS(task.get(), tine::TimeoutError);
    if (stuck.name == "clock_nanosleep") {
      CHECK(result == ECANCELED);
    } else if (stuck.name == "sleep") {
      CHECK(result >= 3599);
    } else if (stuck.name == "write to a pipe" || stuck.name == "writev to a pipe" || result != -1) {
      CHECK(result < (1 << 16));  // what had gone out is told
    } else {
      CHECK(error == ECANCELED);
    }
  });
}

TEST_CASE("blocking calls: reading gives way until there is something") {
  auto [ours, theirs] = socket_pair();
  char bytes[8] = {};
  check_gives_way([&] { CHECK(::read(ours.get(), bytes, sizeof bytes) == 2); },
                  [&] { CHECK(::write(theirs.get(), "ab", 2) == 2); });
  check_gives_way([&] { CHECK(::recv(ours.get(), bytes, sizeof bytes, 0) == 0); }, [&] { theirs.reset(); });

  auto [out, in] = pipe_pair();
  check_gives_way([&] { CHECK(::read(out.get(), bytes, sizeof bytes) == 2); },
                  [&] { CHECK(::write(in.get(), "cd", 2) == 2); });
  CHECK(std::string(bytes, 2) == "cd");
}

TEST_CASE("blocking calls: a long write goes out whole, as its reader takes it") {
  for (const bool is_pipe : {false, true}) {
    auto [reading, writing] = is_pipe ? pipe_pair() : socket_pair();
    const std::string sent(3'000'000, 'x');
    auto writer = tine::spawn([&, fd = writing.get()] { return ::write(fd, sent.data(), sent.size()); });
    std::size_t got = 0;
    auto reader = tine::spawn([&, fd = reading.get()] {
      char bytes[5000];
      while (got < sent.size()) got += ::read(fd, bytes, sizeof bytes);
    });
    REQUIRE(tine::join_all({writer, reader}, 20s));
    CHECK(writer.get() == 3'000'000);
    CHECK(got == sent.size());
  }
}

TEST_CASE("blocking calls: scattered and gathered messages, MSG_WAITALL and descriptors in them") {
  auto [ours, theirs] = socket_pair();
  const std::string head(100'000, 'h'), tail(400'000, 't');
  auto sender = tine::spawn([&, fd = theirs.get()] {
    iovec parts[] = {{const_cast<char*>(head.data()), head.size()},
                     {const_cast<char*>(tail.data()), tail.size()}};
    return ::writev(fd, parts, 2);
  });
  std::string first(100'000, 0), second(400'000, 0);
  auto receiver = tine::spawn([&, fd = ours.get()] {
    iovec parts[] = {{first.data(), first.size()}, {second.data(), second.size()}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    return ::recvmsg(fd, &message, MSG_WAITALL);
  });
  REQUIRE(tine::join_all({sender, receiver}, 20s));
  CHECK(sender.get() == 500'000);
  CHECK(receiver.get() == 500'000);
  CHECK(first == head);
  CHECK(second == tail);

  auto all = tine::spawn([&, fd = ours.get()] {
    char bytes[4];
    return ::recv(fd, bytes, 4, MSG_WAITALL);
  });
  auto pieces = tine::spawn([&, fd = theirs.get()] {
    for (int i = 0; i < 4; ++i) {
      ::send(fd, "x", 1, 0);
      tine::sleep(1ms);
    }
  });
  CHECK(all.get() == 4);
  pieces.get();
}

TEST_CASE("blocking calls: connect and accept meet in one thread") {
  const Listener listener;
  UniqueFd accepted, connected(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  check_gives_way([&] { accepted.reset(::accept4(listener.fd.get(), nullptr, nullptr, SOCK_CLOEXEC)); },
                  [&] { CHECK(::connect(connected.get(), listener.name(), sizeof listener.address) == 0); });
  CHECK(accepted);
  CHECK((::fcntl(connected.get(), F_GETFL) & O_NONBLOCK) == 0);

  auto refused = tine::spawn([] {
    sockaddr_in closed{};
    {
      const Listener gone;
      closed = gone.address;
    }
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int result = ::connect(fd.get(), reinterpret_cast<sockaddr*>(&closed), sizeof closed);
    return result < 0 ? errno : 0;
  });
  CHECK(refused.get() == ECONNREFUSED);
}

TEST_CASE("blocking calls: connect waits for room in a Unix socket's backlog") {
  const UniqueFd listening(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;  // no path: the kernel gives it a name of its own
  socklen_t size = sizeof(sa_family_t);
  REQUIRE(::bind(listening.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  size = sizeof address;
  REQUIRE(::getsockname(listening.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  REQUIRE(::listen(listening.get(), 0) == 0);
  UniqueFd first(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)),
      second(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(::connect(first.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  UniqueFd accepted;
  check_gives_way([&] { CHECK(::connect(second.get(), reinterpret_cast<sockaddr*>(&address), size) == 0); },
                  [&] { accepted.reset(::accept(listening.get(), nullptr, nullptr)); });
}

TEST_CASE("blocking calls: poll and select give way, and tell what is ready") {
  auto [ours, theirs] = socket_pair();
  auto [out, in] = pipe_pair();
  pollfd fds[] = {{ours.get(), POLLIN, 0}, {-1, POLLIN, 0}, {out.get(), POLLIN, 0}};
  check_gives_way([&] { CHECK(::poll(fds, 3, 10'000) == 1); },
                  [&] { CHECK(::write(in.get(), "x", 1) == 1); });
  CHECK(fds[0].revents == 0);
  CHECK(fds[2].revents == POLLIN);

  fd_set set;
  FD_ZERO(&set);
  FD_SET(ours.get(), &set);
  timeval left{10, 0};
  check_gives_way([&, fd = ours.get()] { CHECK(::select(fd + 1, &set, nullptr, nullptr, &left) == 1); },
                  [&] { CHECK(::send(theirs.get(), "x", 1, 0) == 1); });
  CHECK(FD_ISSET(ours.get(), &set));
  CHECK(left.tv_sec == 9);

  auto timed_out = tine::spawn([&, fd = theirs.get()] {
    pollfd one{fd, POLLIN, 0};
    return ::poll(&one, 1, 2);
  });
  CHECK(timed_out.get() == 0);
}

TEST_CASE("blocking calls: tasks sleep at the same time") {
  int asleep = 0, most = 0;
  const auto sleeping = [&](const std::function<int()>& call) {
    most = std::max(most, ++asleep);
    const auto began = Clock::now();
    CHECK(call() == 0);
    CHECK(Clock::now() - began >= 19ms);
    --asleep;
  };
  auto first = tine::spawn(sleeping, [] {
    std::this_thread::sleep_for(20ms);
    return 0;
  });
  auto second = tine::spawn(sleeping, [] { return ::usleep(20'000); });
  auto third = tine::spawn(sleeping, [] {
    timespec until;
    ::clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 20'000'000;
    if (until.tv_nsec >= 1'000'000'000) ++until.tv_sec, until.tv_nsec -= 1'000'000'000;
    return ::clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, nullptr);
  });
  tine::join_all({first, second, third});
  CHECK(most == 3);
}

TEST_CASE("blocking calls: getaddrinfo asks a helper thread") {
  int turns = 0;
  // A helper that is done before anybody waits for it leaves nothing to give way for: then another is asked.
  for (int lookups = 0; turns < 2 && lookups < 100; ++lookups) {
    addrinfo* found = nullptr;
    auto lookup = tine::spawn([&] { return ::getaddrinfo("localhost", "80", nullptr, &found); });
    auto other = tine::spawn([&] {
      while (!lookup.ready()) {
        ++turns;
        tine::sleep(0s);
      }
    });
    CHECK(lookup.get() == 0);
    other.join();
    REQUIRE(found);
    ::freeaddrinfo(found);
  }
  CHECK(turns > 1);

  std::vector<tine::Task<int>> many;
  for (int i = 0; i < 2 * tine::resolver_threads_max; ++i)
    many.push_back(tine::spawn([] {
      addrinfo* one = nullptr;
      const int result = ::getaddrinfo("localhost", nullptr, nullptr, &one);
      if (one) ::freeaddrinfo(one);
      return result;
    }));
  many.front().kill(0s);
  CHECK(tine::join_all(many, 20s));
  CHECK(many.back().get() == 0);
}

TEST_CASE("blocking calls: a non-blocking descriptor says EAGAIN at once") {
  auto [ours, theirs] = socket_pair();
  REQUIRE(::fcntl(ours.get(), F_SETFL, O_NONBLOCK) == 0);
  auto [out, in] = pipe_pair();
  REQUIRE(::fcntl(out.get(), F_SETFL, O_NONBLOCK) == 0);
  auto task = tine::spawn([&, socket = ours.get(), other = theirs.get(), pipe = out.get()] {
    char byte;
    CHECK(::recv(socket, &byte, 1, 0) == -1);
    CHECK(errno == EAGAIN);
    CHECK(::read(pipe, &byte, 1) == -1);
    CHECK(errno == EAGAIN);
    CHECK(::recv(other, &byte, 1, MSG_DONTWAIT) == -1);
    CHECK(errno == EAGAIN);
  });
  task.get();
}

TEST_CASE("blocking calls: SO_RCVTIMEO and SO_SNDTIMEO keep their meaning") {
  auto [ours, theirs] = socket_pair();
  const timeval limit{0, 3000};
  ::setsockopt(ours.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(ours.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  auto task = tine::spawn([fd = ours.get()] {
    const auto began = Clock::now();
    char byte;
    CHECK(::read(fd, &byte, 1) == -1);
    CHECK(errno == EAGAIN);
    CHECK(Clock::now() - began >= 3ms);
    const std::string much(10'000'000, 'x');
    const ssize_t part = ::write(fd, much.data(), much.size());
    CHECK(part > 0);
    CHECK(part < 10'000'000);
    CHECK(::write(fd, much.data(), much.size()) == -1);
    CHECK(errno == EAGAIN);
  });
  task.get();
}

TEST_CASE("blocking calls: a signal ends the waits that it ends in a thread") {
  auto [ours, theirs] = socket_pair();
  const auto outcome = [fd = ours.get()](int flags) {
    const Handler handler(flags);
    auto sleeper = tine::spawn([] {
      timespec left{};
      const timespec time{10, 0};
      return ::nanosleep(&time, &left) == -1 && errno == EINTR && left.tv_sec >= 5;
    });
    auto reader = tine::spawn([fd] {
      char byte;
      const ssize_t n = ::read(fd, &byte, 1);
      return n < 0 ? errno : static_cast<int>(n);
    });
    const Signals signals;
    CHECK(sleeper.get());
    const bool ended = reader.join(20ms);
    if (!ended) reader.kill();
    return ended ? reader.get() : 0;
  };
  CHECK(outcome(0) == EINTR);
  CHECK(outcome(SA_RESTART) == 0);  // restarted: still waiting
}

TEST_CASE("blocking calls: two tasks on one descriptor, one reading and one writing") {
  auto [ours, theirs] = socket_pair();
  std::string much(2'000'000, 'x');
  char byte = 0;
  auto reader = tine::spawn([&, fd = ours.get()] { return ::read(fd, &byte, 1); });
  auto writer = tine::spawn([&, fd = ours.get()] { return ::write(fd, much.data(), much.size()); });
  auto peer = tine::spawn([&, fd = theirs.get()] {
    std::size_t got = 0;
    char bytes[10'000];
    while (got < much.size()) got += ::read(fd, bytes, sizeof bytes);
    return ::write(fd, "!", 1);
  });
  REQUIRE(tine::join_all({reader, writer, peer}, 20s));
  CHECK(reader.get() == 1);
  CHECK(writer.get() == 2'000'000);
}

TEST_CASE("blocking calls: many tasks that read one descriptor each get something, once") {
  for (const bool is_pipe : {false, true}) {
    auto [reading, writing] = is_pipe ? pipe_pair() : socket_pair();
    std::vector<tine::Task<int>> readers;
    for (int i = 0; i < 10; ++i)
      readers.push_back(tine::spawn([fd = reading.get()] {
        char byte = 0;
        return ::read(fd, &byte, 1) == 1 ? byte - 'a' : -1;
      }));
    tine::sleep(1ms);
    auto writer = tine::spawn([fd = writing.get()] {
      for (char c = 'a'; c < 'k'; ++c) {
        ::write(fd, &c, 1);
        if (c % 3 == 0) tine::sleep(1ms);
      }
    });
    REQUIRE(tine::join_all(readers, 10s));
    int sum = 0;
    for (const auto& reader : readers) sum += reader.get();
    CHECK(sum == 45);
    writer.join();
  }
}

TEST_CASE("blocking calls: closing a descriptor wakes who waits for it") {
  auto [ours, theirs] = socket_pair();
  auto reader = tine::spawn([fd = ours.get()] {
    char byte;
    return ::read(fd, &byte, 1) == -1 ? errno : 0;
  });
  tine::sleep(1ms);
  ours.reset();
  CHECK(reader.get() == EBADF);

  auto absent = tine::spawn([] {
    char byte;
    return ::read(-1, &byte, 1) == -1 ? errno : 0;
  });
  CHECK(absent.get() == EBADF);
}

TEST_CASE("blocking calls: a number that was closed and given to another file is waited for anew") {
  auto [first, first_peer] = socket_pair();
  const int number = first.get();
  auto reader = tine::spawn([number] {
    char byte;
    tine::Timeout limit(2ms);
    ::read(number, &byte, 1);
  });
  CHECK_THROWS_AS(reader.get(), tine::TimeoutError);
  const UniqueFd copy(::dup(number));  // keeps the first file, and its registration, alive
  auto [second, second_peer] = socket_pair();
  first.reset();
  REQUIRE(::dup2(second.get(), number) == number);
  const UniqueFd reused(number);
  char byte = 0;
  check_gives_way([&] { CHECK(::read(number, &byte, 1) == 1); },
                  [&] {
                    ::write(first_peer.get(), "1", 1);
                    tine::sleep(1ms);
                    ::write(second_peer.get(), "2", 1);
                  });
  CHECK(byte == '2');
}

TEST_CASE("blocking calls: outside of a task they are libc's own") {
  auto [ours, theirs] = socket_pair();
  bool other_ran = false;
  auto other = tine::spawn([&] { other_ran = true; });
  std::thread writer([fd = theirs.get()] {
    std::this_thread::sleep_for(5ms);
    ::write(fd, "x", 1);
  });
  char byte;
  CHECK(::read(ours.get(), &byte, 1) == 1);
  CHECK(!other_ran);
  writer.join();
  other.join();
}

TEST_CASE("blocking calls: regular files and /dev/null are read and written as ever") {
  auto task = tine::spawn([] {
    const UniqueFd file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    char bytes[4];
    CHECK(::read(file.get(), bytes, 4) == 4);
    CHECK(std::string(bytes + 1, 3) == "ELF");
    CHECK(::read(null.get(), bytes, 4) == 0);
    CHECK(::write(null.get(), bytes, 4) == 4);
    pollfd one{file.get(), POLLIN, 0};
    CHECK(::poll(&one, 1, -1) == 1);
  });
  task.get();
}
