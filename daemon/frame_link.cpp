#include "daemon/frame_link.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace tine {
namespace {

ssize_t send_with_rights(int fd, const std::string& bytes, const std::vector<UniqueFd>& descriptors) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 8)] = {};
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * descriptors.size());
    cmsghdr* c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * descriptors.size());
    for (std::size_t i = 0; i < descriptors.size(); ++i) {
      const int one = descriptors[i].get();
      std::memcpy(CMSG_DATA(c) + i * sizeof one, &one, sizeof one);
    }
  }
  return ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace

void FrameLink::start(std::function<void(FrameType, std::string_view)> on_frame,
                      std::function<void()> on_close) {
  socket_.non_blocking(true);
  on_frame_ = std::move(on_frame);
  on_close_ = std::move(on_close);
  read();
}

void FrameLink::read() {
  socket_.async_wait(Socket::wait_read, [self = shared_from_this()](const std::error_code& error) {
    if (error || !self->open_) return;
    char buffer[64 * 1024];
    const ssize_t got = ::recv(self->socket_.native_handle(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return self->read();
    if (got <= 0) return self->close();
    self->incoming_.append(buffer, static_cast<std::size_t>(got));
    self->take_frames();
    if (self->open_) self->read();
  });
}

void FrameLink::take_frames() {
  std::size_t at = 0;
  while (open_ && incoming_.size() - at >= frame_header_bytes) {
    std::uint32_t size = 0;
    std::memcpy(&size, incoming_.data() + at, sizeof size);
    if (size > frame_payload_bytes_max) return close();
    if (incoming_.size() - at < frame_header_bytes + size) break;
    const auto type = static_cast<FrameType>(incoming_[at + sizeof size]);
    on_frame_(type, std::string_view(incoming_).substr(at + frame_header_bytes, size));
    at += frame_header_bytes + size;
  }
  incoming_.erase(0, at);
}

void FrameLink::send(FrameType type, std::string_view payload, std::vector<UniqueFd> descriptors) {
  send_frames(frame(type, payload), std::move(descriptors));
}

void FrameLink::send_frames(std::string frames, std::vector<UniqueFd> descriptors) {
  if (!open_) return;
  outgoing_.push_back({std::move(frames), std::move(descriptors)});
  if (!writing_) write();
}

void FrameLink::write() {
  while (!outgoing_.empty()) {
    Outgoing& first = outgoing_.front();
    const ssize_t sent = send_with_rights(socket_.native_handle(), first.bytes, first.descriptors);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno != EAGAIN) {
      // Not close(): the caller is in the middle of using this link; the read side reports the end.
      outgoing_.clear();
      return;
    }
    if (sent > 0) {
      first.descriptors.clear();
      first.bytes.erase(0, static_cast<std::size_t>(sent));
      if (first.bytes.empty()) outgoing_.pop_front();
      continue;
    }
    writing_ = true;
    socket_.async_wait(Socket::wait_write, [self = shared_from_this()](const std::error_code& error) {
      self->writing_ = false;
      if (!error && self->open_) self->write();
    });
    return;
  }
}

void FrameLink::close() {
  if (!open_) return;
  open_ = false;
  std::error_code ignored;
  socket_.close(ignored);
  if (on_close_) on_close_();
}

}  // namespace tine
