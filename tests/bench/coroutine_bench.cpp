// Coroutines beside their limits; run_coroutine_bench.sh puts the figures together.
//   coroutine_bench switch         ns a switch: bare Boost.Context, tine's fiber, tine's greenlet
//   coroutine_bench tasks          ms for 10,000 tasks that yield once: the first time in a process, and
//   again coroutine_bench serve          tells its port; answers each request after 50 ms coroutine_bench
//   urls PORT N    s for N requests at once, and KiB of memory: blocking code in tasks coroutine_bench asio
//   PORT N    the same: plain Asio callbacks
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <asio.hpp>
#include <boost/context/fiber.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <tine/coroutine.hpp>
#include <vector>

#include "core/base/unique_fd.hpp"
#include "core/coroutine/fiber.hpp"

using namespace std::chrono_literals;

namespace {

const std::string request = "GET / HTTP/1.0\r\n\r\n";
const std::string reply = "HTTP/1.0 200 OK\r\nContent-Length: 100\r\n\r\n" + std::string(100, 'x');

template <class F>
double seconds(F f) {
  const auto began = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

long memory_kib() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

sockaddr_in local(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

void switches() {
  constexpr int there_and_back = 1'000'000;
  const auto ns = [](double time) { return time * 1e9 / there_and_back / 2; };
  const double bare = seconds([] {
    boost::context::fiber other([](boost::context::fiber&& back) {
      for (;;) back = std::move(back).resume();
      return std::move(back);
    });
    for (int i = 0; i < there_and_back; ++i) other = std::move(other).resume();
  });
  tine::Fiber* fiber = nullptr;
  tine::Fiber::spawn([&] {
    fiber = tine::Fiber::current();
    for (;;) tine::Fiber::park();
  });
  const double ours = seconds([&] {
    for (int i = 0; i < there_and_back; ++i) fiber->resume();
  });
  tine::Greenlet other([] {
    const auto back = tine::current_greenlet().parent();
    for (;;) back.switch_to();
  });
  const double greenlet = seconds([&] {
    for (int i = 0; i < there_and_back; ++i) other.switch_to();
  });
  std::printf("%.2f %.2f %.2f\n", ns(bare), ns(ours), ns(greenlet));
}

void tasks() {
  const auto once = [] {
    std::vector<tine::Task<void>> all;
    for (int i = 0; i < 10'000; ++i) all.push_back(tine::spawn([] { tine::sleep(0s); }));
    tine::join_all(all);
  };
  const double first = seconds(once), again = seconds(once);
  std::printf("%.2f %.2f\n", first * 1e3, again * 1e3);
}

void answer(int fd) {
  const tine::UniqueFd owned(fd);
  std::string got;
  char bytes[512];
  while (got.find("\r\n\r\n") == std::string::npos) {
    const ssize_t n = ::read(fd, bytes, sizeof bytes);
    if (n <= 0) return;
    got.append(bytes, n);
  }
  ::usleep(50'000);
  if (::write(fd, reply.data(), reply.size()) < 0) std::perror("write");
}

void serve() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = local(0);
  socklen_t size = sizeof address;
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), size) < 0 || ::listen(fd, 4096) < 0) std::exit(1);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  std::printf("%d\n", ntohs(address.sin_port));
  std::fflush(stdout);
  tine::spawn([fd] {
    for (;;) tine::spawn(answer, ::accept(fd, nullptr, nullptr));
  }).join();
}

std::size_t fetch(int port) {
  const tine::UniqueFd fd(::socket(AF_INET, SOCK_STREAM, 0));
  const sockaddr_in address = local(port);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) return 0;
  if (::write(fd.get(), request.data(), request.size()) < 0) return 0;
  std::size_t got = 0;
  char bytes[1024];
  for (ssize_t n; (n = ::read(fd.get(), bytes, sizeof bytes)) > 0;) got += n;
  return got;
}

void tell_urls(int count, const std::function<std::size_t()>& once) {
  std::size_t got = 0;
  const double first = seconds([&] { got += once(); }), again = seconds([&] { got += once(); });
  if (got != 2 * count * reply.size()) std::exit(1);
  std::printf("%.4f %.4f %ld\n", first, again, memory_kib());
}

void urls(int port, int count) {
  tell_urls(count, [&] {
    std::size_t got = 0;
    std::vector<tine::Task<std::size_t>> all;
    for (int i = 0; i < count; ++i) all.push_back(tine::spawn(fetch, port));
    for (const auto& one : all) got += one.get();
    return got;
  });
}

struct Fetch : std::enable_shared_from_this<Fetch> {
  Fetch(asio::io_context& loop, std::size_t& sum) : socket(loop), got(sum) {}
  void start(int port) {
    socket.async_connect({asio::ip::address_v4::loopback(), static_cast<asio::ip::port_type>(port)},
                         [self = shared_from_this()](asio::error_code error) {
                           if (!error) self->ask();
                         });
  }
  void ask() {
    asio::async_write(socket, asio::buffer(request),
                      [self = shared_from_this()](asio::error_code error, std::size_t) {
                        if (!error) self->read();
                      });
  }
  void read() {
    socket.async_read_some(asio::buffer(bytes),
                           [self = shared_from_this()](asio::error_code error, std::size_t n) {
                             self->got += n;
                             if (!error) self->read();
                           });
  }
  asio::ip::tcp::socket socket;
  std::size_t& got;
  char bytes[1024];
};

void asio_urls(int port, int count) {
  tell_urls(count, [&] {
    std::size_t got = 0;
    asio::io_context loop(1);
    for (int i = 0; i < count; ++i) std::make_shared<Fetch>(loop, got)->start(port);
    loop.run();
    return got;
  });
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  if (what == "switch") return switches(), 0;
  if (what == "tasks") return tasks(), 0;
  if (what == "serve") return serve(), 0;
  if (what == "urls" && argc == 4) return urls(std::atoi(argv[2]), std::atoi(argv[3])), 0;
  if (what == "asio" && argc == 4) return asio_urls(std::atoi(argv[2]), std::atoi(argv[3])), 0;
  std::fputs("coroutine_bench switch | tasks | serve | urls PORT N | asio PORT N\n", stderr);
  return 2;
}
