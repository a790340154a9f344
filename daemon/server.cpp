#include "daemon/server.hpp"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/base/limits.hpp"
#include "daemon/session.hpp"
#include "ipc/codec.hpp"
#include "ipc/protocol.hpp"

namespace tine {
namespace {

constexpr auto check_interval = std::chrono::milliseconds(500);
constexpr auto accept_retry_interval = std::chrono::milliseconds(100);
/// Descriptors that clients do not get, or a quarter of the limit where that is less.
constexpr rlim_t descriptors_kept_back = 128;

std::uint64_t inode_of(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0 ? info.st_ino : 0;
}

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

bool somebody_answers(const std::string& path) {
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = address_of(path);
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

/// Takes away a socket that nobody listens on. Anything else in its place is somebody's file.
Status clear_place(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return ok();
  if (!S_ISSOCK(info.st_mode))
    return make_error(Errc::cannot_create, path + " exists and is no socket; allowed: a free path");
  if (somebody_answers(path)) return make_error(Errc::already_running, "a daemon already listens on " + path);
  ::unlink(path.c_str());
  return ok();
}

}  // namespace

Server::Server(Services& services)
    : services_(services),
      acceptor_(services.loop),
      check_(services.loop),
      again_(services.loop),
      spare_(::open("/dev/null", O_RDONLY | O_CLOEXEC)) {}

Status Server::start() {
  if (auto status = listen(); !status) return status;
  watch_socket();
  return ok();
}

Status Server::listen() {
  const std::string& path = services_.socket_path;
  if (path.size() > limits::socket_path_bytes_max)
    return make_error(Errc::usage, "socket: " + path + " has " + std::to_string(path.size()) +
                                       " bytes; allowed: " + std::to_string(limits::socket_path_bytes_max));
  if (auto status = clear_place(path); !status) return status;
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return errno_error("make a socket");
  const sockaddr_un address = address_of(path);
  // The mode must be right from the first moment: nobody else may get in between bind and chmod.
  const mode_t before = ::umask(0177);
  const int bound = ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  ::umask(before);
  if (bound < 0) return errno_error("bind " + path);
  if (::listen(fd.get(), SOMAXCONN) < 0) return errno_error("listen on " + path);
  std::error_code ignored;
  acceptor_.close(ignored);
  acceptor_.assign(asio::local::stream_protocol(), fd.release());
  acceptor_.non_blocking(true, ignored);
  inode_ = inode_of(path);
  accept();
  return ok();
}

void Server::watch_socket() {
  check_.expires_after(check_interval);
  check_.async_wait([this](const std::error_code& error) {
    if (error || stopping_) return;
    if (inode_of(services_.socket_path) != inode_)
      if (auto status = listen(); !status) spdlog::error("{}", status.error().message());
    watch_socket();
  });
}

void Server::accept() {
  // Not async_accept: that looks for another client at once, which costs the making of a socket.
  acceptor_.async_wait(asio::socket_base::wait_read, [this](const std::error_code& ended) {
    if (ended || stopping_) return;
    UniqueFd socket(::accept4(acceptor_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    const int error = socket ? 0 : errno;
    if (error == EAGAIN || error == EINTR || error == ECONNABORTED) return accept();  // it has gone again
    if (error == 0) {
      welcome(std::move(socket));
    } else if (error == EMFILE && spare_) {
      // Out of descriptors: the spare one takes the client in, to be hung up on instead of kept waiting for
      // ever.
      spdlog::error("accept: {}", std::strerror(error));
      spare_.reset();
      UniqueFd(::accept4(acceptor_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      spare_.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    } else {
      // The client still waits and would be reported again at once: no spinning while the kernel is short of
      // something.
      spdlog::error("accept: {}", std::strerror(error));
      again_.expires_after(accept_retry_interval);
      again_.async_wait([this](const std::error_code& stopped) {
        if (stopped) return;
        if (!spare_) spare_.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        accept();
      });
      return;
    }
    accept();
  });
}

/// The kernel gives the lowest free number: one near the limit says that the table is nearly full. What is
/// left belongs to workers, the store and the descriptors that a `run` hands over.
bool Server::is_crowded(int descriptor) const {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<rlim_t>(descriptor) + std::min<rlim_t>(descriptors_kept_back, limit.rlim_cur / 4) >=
         limit.rlim_cur;
}

void Server::welcome(UniqueFd socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  const int asked = ::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size);
  const int descriptor = socket.get();
  auto channel = std::make_shared<ipc::Channel>(services_.loop, std::move(socket));
  if (asked < 0 || peer.uid != ::geteuid()) {
    spdlog::warn("refused a client of uid {}", peer.uid);
    channel->send(ipc::error_reply(
        nullptr,
        make_error(Errc::not_permitted, "uid " + std::to_string(peer.uid) +
                                            " is not permitted; allowed: " + std::to_string(::geteuid()))));
    channel->close();
    return;
  }
  if (is_crowded(descriptor)) {
    spdlog::error("refused a client: {} are connected, and descriptors run out", channels_.size());
    channel->send(
        ipc::error_reply(nullptr, make_error(Errc::try_later, std::to_string(channels_.size()) +
                                                                  " clients are connected, more than this "
                                                                  "daemon has descriptors for; try later")));
    channel->close();
    return;
  }
  channels_.insert(channel);
  channel->on_close([this, weak = std::weak_ptr(channel)] {
    if (auto strong = weak.lock()) channels_.erase(strong);
  });
  Fiber::spawn([channel, this] { converse(channel, services_); });
}

void Server::stop() {
  stopping_ = true;
  check_.cancel();
  again_.cancel();
  std::error_code ignored;
  acceptor_.close(ignored);
  if (inode_ && inode_of(services_.socket_path) == inode_) ::unlink(services_.socket_path.c_str());
  for (const auto& channel : std::set(channels_)) channel->close();
}

}  // namespace tine
