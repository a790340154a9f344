#include "ipc/channel.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

#include "core/base/limits.hpp"
#include "core/base/receive.hpp"
#include "ipc/on_fiber.hpp"

namespace tine::ipc {
namespace {

constexpr std::size_t outgoing_low_bytes = 1u << 20;
/// A client that lets this much of unread answers pile up is cut off.
constexpr std::size_t outgoing_max_bytes = 256u << 20;
constexpr std::size_t descriptors_max = 8;

/// Both directions are closed: the peer is not there any more to read an answer.
bool is_hung_up(int fd) {
  pollfd look{fd, 0, 0};
  return ::poll(&look, 1, 0) > 0 && (look.revents & (POLLHUP | POLLERR));
}

}  // namespace

Channel::Channel(asio::io_context& loop, UniqueFd socket)
    : descriptor_(socket.get()),
      unawaited_(std::move(socket)),
      socket_(loop),
      frame_(limits::batch_line_bytes_max),
      drained_(loop) {
  drained_.expires_at(asio::steady_timer::time_point::max());
}

/// false: the loop has no room for it (max_user_watches, memory), and nobody can wait for the peer.
bool Channel::tell_loop() {
  if (!unawaited_) return true;
  std::error_code error;
  socket_.assign(asio::local::stream_protocol(), unawaited_.get(), error);
  if (error) return false;
  (void)unawaited_.release();
  return true;
}

void Channel::close_socket() {
  std::error_code ignored;
  socket_.close(ignored);
  unawaited_.reset();
}

Result<LineFrame::Line> Channel::read_line(const std::function<void()>& before_waiting) {
  for (;;) {
    if (auto line = frame_.next()) return std::move(*line);
    if (auto status = receive(before_waiting); !status) {
      if (!half_closed_) abort();
      return status.error();
    }
  }
}

Status Channel::receive(const std::function<void()>& before_waiting) {
  for (;;) {
    if (std::exchange(is_drained_, false) && open_) {
      if (before_waiting) before_waiting();
      if (!tell_loop() || socket_.async_wait(Socket::wait_read, on_fiber))
        return make_error(Errc::unavailable, "the peer cannot be waited for");
    }
    if (!open_) return make_error(Errc::unavailable, "the conversation has ended");
    const Taken taken = take();
    if (taken == Taken::bytes) return ok();
    if (taken == Taken::nothing) continue;
    half_closed_ = open_ && !is_hung_up(descriptor_);
    return make_error(Errc::unavailable, "the peer has said all");
  }
}

Channel::Taken Channel::take() {
  char buffer[64 * 1024];
  std::vector<UniqueFd> came;
  ssize_t got;
  do got = tine::receive(descriptor_, buffer, came);
  while (got < 0 && errno == EINTR);
  if (got <= 0) {
    is_drained_ = got < 0 && errno == EAGAIN;
    return is_drained_ ? Taken::nothing : Taken::end;
  }
  // A try that finds nothing costs as much as the read, but less than to tell the loop.
  is_drained_ = static_cast<std::size_t>(got) < sizeof buffer && !unawaited_;
  for (UniqueFd& one : came)
    if (descriptors_.size() < descriptors_max) descriptors_.push_back(std::move(one));
  frame_.feed({buffer, static_cast<std::size_t>(got)});
  return Taken::bytes;
}

void Channel::watch_hang_up() {
  if (!open_) return;
  if (!tell_loop()) return abort();
  socket_.async_wait(Socket::wait_error, [self = shared_from_this()](const std::error_code& error) {
    if (error || !self->open_) return;
    if (is_hung_up(self->descriptor_)) return self->abort();
    self->watch_hang_up();
  });
}

void Channel::hold(std::string_view line) {
  if (!open_) return;
  outgoing_.append(line);
  outgoing_.push_back('\n');
  if (outgoing_.size() >= outgoing_low_bytes) flush();
}

void Channel::send(std::string_view line) {
  hold(line);
  flush();
}

void Channel::flush() {
  if (!open_ || outgoing_.empty()) return;
  if (writing_) {
    if (outgoing_.size() > outgoing_max_bytes) abort();
    return;
  }
  const ssize_t sent = ::send(descriptor_, outgoing_.data(), outgoing_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent > 0) outgoing_.erase(0, static_cast<std::size_t>(sent));
  if (sent < 0 && errno != EAGAIN && errno != EINTR) return abort();
  if (!outgoing_.empty()) pump();
}

void Channel::pump() {
  if (!tell_loop()) return abort();
  writing_ = true;
  socket_.async_wait(Socket::wait_write, [self = shared_from_this()](const std::error_code& error) {
    self->writing_ = false;
    if (error) return;
    const ssize_t sent = ::send(self->descriptor_, self->outgoing_.data(), self->outgoing_.size(),
                                MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return self->abort();
    if (sent > 0) self->outgoing_.erase(0, static_cast<std::size_t>(sent));
    if (self->outgoing_.size() < outgoing_low_bytes) self->drained_.cancel();
    if (!self->outgoing_.empty()) return self->pump();
    if (!self->open_) self->close_socket();
  });
}

Status Channel::drain() {
  while (open_ && outgoing_.size() >= outgoing_low_bytes) drained_.async_wait(on_fiber);
  return open_ ? ok() : Status(make_error(Errc::unavailable, "the peer has gone"));
}

void Channel::close() {
  flush();  // what was held; it may find the peer gone
  if (!open_) return;
  open_ = false;
  drained_.cancel();
  ::shutdown(descriptor_, SHUT_RD);
  if (outgoing_.empty()) close_socket();  // else pump() does, when all has gone out
  for (auto& handler : std::exchange(closed_handlers_, {})) handler();
}

void Channel::abort() {
  outgoing_.clear();
  close();
  close_socket();
}

}  // namespace tine::ipc
