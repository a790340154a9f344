#include "core/pool/frame_socket.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace tine {
namespace {

constexpr std::size_t descriptors_max = 16;  ///< in one message

}  // namespace

short FrameSocket::poll_events() const { return static_cast<short>(outgoing_.empty() ? POLLIN : POLLIN | POLLOUT); }

void FrameSocket::send(FrameType type, std::string_view payload) {
  if (!is_open()) return;
  outgoing_ += frame(type, payload);
  flush();
}

void FrameSocket::flush() {
  std::size_t sent = 0;
  while (is_open() && sent < outgoing_.size()) {
    const ssize_t size = ::send(fd(), outgoing_.data() + sent, outgoing_.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size >= 0)
      sent += static_cast<std::size_t>(size);
    else if (errno == EAGAIN)
      break;
    else if (errno != EINTR)
      return close();
  }
  outgoing_.erase(0, sent);
}

void FrameSocket::close() {
  fd_.reset();
  outgoing_.clear();
}

void FrameSocket::take_rights(msghdr& message) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int one = -1;
      std::memcpy(&one, CMSG_DATA(c) + i * sizeof one, sizeof one);
      descriptors_.emplace_back(one);
    }
  }
}

void FrameSocket::receive() {
  if (taken_ > 0) incoming_.erase(0, std::exchange(taken_, 0));
  char buffer[64 * 1024];
  while (is_open()) {
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * descriptors_max)];
    iovec part{buffer, sizeof buffer};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t size = ::recvmsg(fd(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) return close();
    take_rights(message);
    incoming_.append(buffer, static_cast<std::size_t>(size));
    // A message that ends here is the usual case; another round would cost a call only to hear EAGAIN.
    if (static_cast<std::size_t>(size) < sizeof buffer && message.msg_controllen == 0) return;
  }
}

std::optional<Frame> FrameSocket::next() {
  const std::string_view rest = std::string_view(incoming_).substr(taken_);
  if (rest.size() < frame_header_bytes) return std::nullopt;
  std::uint32_t size = 0;
  std::memcpy(&size, rest.data(), sizeof size);
  if (size > frame_payload_bytes_max) return close(), incoming_.clear(), taken_ = 0, std::nullopt;
  if (rest.size() - frame_header_bytes < size) return std::nullopt;
  taken_ += frame_header_bytes + size;
  return Frame{static_cast<FrameType>(rest[sizeof size]), std::string(rest.substr(frame_header_bytes, size))};
}

std::vector<UniqueFd> FrameSocket::take_descriptors(std::size_t count) {
  std::vector<UniqueFd> taken;
  while (taken.size() < count && !descriptors_.empty()) {
    taken.push_back(std::move(descriptors_.front()));
    descriptors_.pop_front();
  }
  return taken;
}

}  // namespace tine
