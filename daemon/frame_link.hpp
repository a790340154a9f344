#pragma once
#include <asio/local/stream_protocol.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/unique_fd.hpp"
#include "core/pool/worker_protocol.hpp"

namespace tine {

/// Frames (core/pool/worker_protocol.hpp) over one socket, by callbacks on the loop's thread. After on_close
/// nothing more comes; a peer that breaks the framing is hung up on.
class FrameLink : public std::enable_shared_from_this<FrameLink> {
 public:
  using Socket = asio::local::stream_protocol::socket;
  explicit FrameLink(Socket socket) : socket_(std::move(socket)) {}

  void start(std::function<void(FrameType, std::string_view)> on_frame, std::function<void()> on_close);
  /// Never blocks; what the socket does not take now goes out later, in order. The descriptors are given
  /// away.
  void send(FrameType type, std::string_view payload, std::vector<UniqueFd> descriptors = {});
  /// Ready-made frames, as frame() gives them.
  void send_frames(std::string frames, std::vector<UniqueFd> descriptors = {});
  void close();
  bool is_open() const { return open_; }

 private:
  struct Outgoing {
    std::string bytes;
    std::vector<UniqueFd> descriptors;
  };
  void read();
  void take_frames();
  void write();
  Socket socket_;
  std::string incoming_;
  std::deque<Outgoing> outgoing_;
  std::function<void(FrameType, std::string_view)> on_frame_;
  std::function<void()> on_close_;
  bool writing_ = false;
  bool open_ = true;
};

}  // namespace tine
