#pragma once
#include <asio/io_context.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/unique_fd.hpp"
#include "ipc/line_frame.hpp"

namespace tine::ipc {

/// Lines over a Unix socket, with descriptors; for one fiber that reads and any code of the same thread that
/// sends. Most peers ask one thing, which is there before we look: the loop is told of a socket when somebody
/// first has to wait for it.
class Channel : public std::enable_shared_from_this<Channel> {
 public:
  /// `socket` does not block.
  Channel(asio::io_context& loop, UniqueFd socket);

  /// Parks until a whole line is there. Errors: Errc::unavailable when the peer has said all; it may still
  /// listen
  /// (`nc -U <file`), so is_open() tells whether answers can go out.
  /// `before_waiting` is called each time before it parks.
  Result<LineFrame::Line> read_line(const std::function<void()>& before_waiting = {});
  /// Descriptors that came since the last call, in order; the caller owns them.
  std::vector<UniqueFd> take_descriptors() { return std::move(descriptors_); }
  /// Queues a line (a newline is added) and writes what the socket takes now; never parks.
  void send(std::string_view line);
  /// The same, but it rides with what is sent next, or goes out with flush(): a wake less for the peer. What
  /// has grown to a mebibyte goes out by itself.
  void hold(std::string_view line);
  void flush();
  /// Parks until less than 1 MiB waits to be written: back-pressure for a reader that is slow.
  Status drain();
  std::size_t unsent_bytes() const { return outgoing_.size(); }
  /// Ends the conversation: reads and drains return. What was sent before still goes out.
  void close();
  bool is_open() const { return open_; }
  /// Who has said all may still listen: from here on its end is noticed too.
  void watch_hang_up();
  /// Called once, from the loop, when the peer has gone, where somebody waits for it or watches, or close()
  /// was called.
  void on_close(std::function<void()> handler) { closed_handlers_.push_back(std::move(handler)); }

 private:
  using Socket = asio::local::stream_protocol::socket;
  enum class Taken { bytes, nothing, end };
  bool tell_loop();
  void close_socket();
  void pump();
  void abort();
  Status receive(const std::function<void()>& before_waiting);
  Taken take();
  const int descriptor_;
  UniqueFd unawaited_;  ///< the socket, before the loop has it
  Socket socket_;
  LineFrame frame_;
  std::string outgoing_;
  std::vector<UniqueFd> descriptors_;
  std::vector<std::function<void()>> closed_handlers_;
  asio::steady_timer drained_;
  bool writing_ = false;
  bool is_drained_ = false;   ///< there is nothing to read, as far as we know
  bool half_closed_ = false;  ///< the peer reads on, but will say no more
  bool open_ = true;
};

}  // namespace tine::ipc
