// Built with _FORTIFY_SOURCE: the compiler calls __read_chk and its like where it does not know the sizes.
#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <tine/coroutine.hpp>

using namespace std::chrono_literals;

namespace {

volatile std::size_t one_byte = 1;
volatile nfds_t one_descriptor = 1;

bool gives_way(const std::function<long(int fd)>& call) {
  int fds[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
  auto waiting = tine::spawn([&] { return call(fds[0]); });
  auto peer = tine::spawn([&] { return ::send(fds[1], "x", 1, 0); });
  const bool ended = tine::join_all({waiting, peer}, 5s);
  ::close(fds[0]);
  ::close(fds[1]);
  return ended && waiting.get() == 1;
}

}  // namespace

TEST_CASE("blocking calls: the fortified forms give way too") {
  CHECK(gives_way([](int fd) {
    char bytes[4];
    return ::read(fd, bytes, one_byte);
  }));
  CHECK(gives_way([](int fd) {
    char bytes[4];
    return ::recv(fd, bytes, one_byte, 0);
  }));
  CHECK(gives_way([](int fd) {
    char bytes[4];
    return ::recvfrom(fd, bytes, one_byte, 0, nullptr, nullptr);
  }));
  CHECK(gives_way([](int fd) {
    pollfd one[2] = {{fd, POLLIN, 0}};
    return ::poll(one, one_descriptor, -1);
  }));
  CHECK(gives_way([](int fd) {
    pollfd one[2] = {{fd, POLLIN, 0}};
    return ::ppoll(one, one_descriptor, nullptr, nullptr);
  }));
}
