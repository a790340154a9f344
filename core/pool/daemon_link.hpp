#pragma once
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "core/base/unique_fd.hpp"
#include "core/pool/worker_protocol.hpp"

namespace tine {

/// A worker's end of its conversation with the daemon (or the zygote's with its): frames over a socket, for a
/// poll(2) loop. Nothing here blocks.
class DaemonLink {
 public:
  DaemonLink() = default;
  explicit DaemonLink(int fd) : fd_(fd) {}
  /// Dials `workers.sock` in the folder that `state_dir_fd` is; false: nobody listens.
  bool dial(int state_dir_fd);

  int dials() const { return dials_; }  ///< that were answered
  bool is_open() const { return static_cast<bool>(fd_); }
  int fd() const { return fd_.get(); }
  bool wants_to_write() const { return !outgoing_.empty(); }
  void send(FrameType type, std::string_view payload);
  /// The same, but it leaves with the next send() or flush(): one wake of the daemon for many frames.
  void send_later(FrameType type, std::string_view payload);
  bool has_later() const { return !later_.empty(); }
  void flush();
  /// After poll said so: reads or writes what is possible. The link closes itself when the peer has gone.
  void serve(short events);
  void close();

  struct Frame {
    FrameType type;
    std::string payload;
  };
  std::optional<Frame> next();
  /// What next() would give; nullopt: nothing whole is there.
  std::optional<FrameType> peek() const;
  /// The descriptors that came last; the oldest `count` of those not taken yet.
  std::vector<UniqueFd> take_descriptors(std::size_t count);

 private:
  void read();
  void write();
  UniqueFd fd_;
  int dials_ = 0;
  std::string incoming_;
  std::size_t taken_ = 0;  ///< bytes of `incoming_` that next() has given out
  std::string outgoing_;
  std::string later_;
  std::deque<UniqueFd> descriptors_;
};

}  // namespace tine
