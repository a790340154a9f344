#pragma once
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "core/base/unique_fd.hpp"
#include "core/pool/worker_protocol.hpp"

namespace tine {

struct Frame {
  FrameType type;
  std::string payload;
};

/// Frames over a stream socket for a process with a poll loop of its own: the worker's and the zygote's end. Never
/// blocks. A peer that is gone or breaks the framing closes it; frames that had arrived can still be taken.
class FrameSocket {
 public:
  FrameSocket() = default;
  explicit FrameSocket(UniqueFd fd) : fd_(std::move(fd)) {}

  bool is_open() const { return static_cast<bool>(fd_); }
  int fd() const { return fd_.get(); }
  short poll_events() const;  ///< what to wait for

  void send(FrameType type, std::string_view payload);
  void flush();    ///< when writable
  void receive();  ///< when readable
  void close();
  std::optional<Frame> next();
  /// The oldest `count` descriptors that came and were not taken; fewer if they did not come.
  std::vector<UniqueFd> take_descriptors(std::size_t count);

 private:
  void take_rights(struct msghdr& message);
  UniqueFd fd_;
  std::string incoming_, outgoing_;
  std::size_t taken_ = 0;  ///< bytes of incoming_ that next() gave out
  std::deque<UniqueFd> descriptors_;
};

}  // namespace tine
