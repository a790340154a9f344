#include "core/pool/daemon_link.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "core/base/receive.hpp"

namespace tine {

bool DaemonLink::dial(int state_dir_fd) {
  close();
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // Through the folder's descriptor: the state dir's own path may be longer than a socket address.
  const std::string path = "/proc/self/fd/" + std::to_string(state_dir_fd) + "/workers.sock";
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (!fd || ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
    return false;
  fd_ = std::move(fd);
  ++dials_;
  return true;
}

void DaemonLink::close() {
  fd_.reset();
  incoming_.clear();
  taken_ = 0;
  outgoing_.clear();
  later_.clear();
  descriptors_.clear();
}

void DaemonLink::send(FrameType type, std::string_view payload) {
  send_later(type, payload);
  flush();
}

void DaemonLink::send_later(FrameType type, std::string_view payload) {
  if (is_open()) later_ += frame(type, payload);
}

void DaemonLink::flush() {
  if (!is_open() || later_.empty()) return;
  outgoing_ += std::exchange(later_, {});
  write();
}

void DaemonLink::serve(short events) {
  if (events & POLLOUT) write();
  if (is_open() && (events & (POLLIN | POLLHUP | POLLERR))) read();
}

void DaemonLink::write() {
  while (!outgoing_.empty()) {
    const ssize_t put = ::send(fd_.get(), outgoing_.data(), outgoing_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == EAGAIN) return;
    if (put < 0) return close();
    outgoing_.erase(0, static_cast<std::size_t>(put));
  }
}

void DaemonLink::read() {
  char buffer[64 * 1024];
  std::vector<UniqueFd> came;
  const ssize_t got = receive(fd_.get(), buffer, came);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (got <= 0) return close();
  for (UniqueFd& one : came) descriptors_.push_back(std::move(one));
  incoming_.append(buffer, static_cast<std::size_t>(got));
}

std::optional<FrameType> DaemonLink::peek() const {
  if (incoming_.size() - taken_ < frame_header_bytes) return std::nullopt;
  std::uint32_t size = 0;
  std::memcpy(&size, incoming_.data() + taken_, sizeof size);
  if (incoming_.size() - taken_ < frame_header_bytes + size) return std::nullopt;
  return static_cast<FrameType>(incoming_[taken_ + sizeof size]);
}

std::optional<DaemonLink::Frame> DaemonLink::next() {
  const auto type = peek();
  if (!type) return std::nullopt;
  std::uint32_t size = 0;
  std::memcpy(&size, incoming_.data() + taken_, sizeof size);
  Frame frame{*type, incoming_.substr(taken_ + frame_header_bytes, size)};
  taken_ += frame_header_bytes + size;
  // Now and then, not for each of many small ones.
  if (taken_ == incoming_.size() || taken_ > incoming_.size() / 2) {
    incoming_.erase(0, taken_);
    taken_ = 0;
  }
  return frame;
}

std::vector<UniqueFd> DaemonLink::take_descriptors(std::size_t count) {
  std::vector<UniqueFd> taken;
  while (taken.size() < count && !descriptors_.empty()) {
    taken.push_back(std::move(descriptors_.front()));
    descriptors_.pop_front();
  }
  return taken;
}

}  // namespace tine
