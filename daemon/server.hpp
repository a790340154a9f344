#pragma once
#include <asio/io_context.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/steady_timer.hpp>
#include <set>
#include <string>

#include "core/base/unique_fd.hpp"
#include "daemon/services.hpp"
#include "ipc/channel.hpp"

namespace tine {

/// The listening socket: 0600, one uid, made again within a second if someone removes it, and a spare
/// descriptor so that the limit of open files answers instead of spinning.
class Server {
 public:
  Server(Services& services);
  /// Errors: Errc::cannot_create for a foreign file in the socket's place, Errc::already_running where
  /// another daemon answers on it, Errc::usage for a path over 107 bytes.
  Status start();
  /// Hangs up on all clients and removes the socket, if it is still ours.
  void stop();

 private:
  Status listen();
  void accept();
  bool is_crowded(int descriptor) const;
  void watch_socket();
  void welcome(UniqueFd socket);
  Services& services_;
  asio::local::stream_protocol::acceptor acceptor_;
  asio::steady_timer check_;
  asio::steady_timer again_;
  UniqueFd spare_;
  std::uint64_t inode_ = 0;
  bool stopping_ = false;
  std::set<std::shared_ptr<ipc::Channel>> channels_;
};

}  // namespace tine
