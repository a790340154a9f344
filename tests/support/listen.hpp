#pragma once
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <string>

#include "core/base/unique_fd.hpp"

namespace tine::test {

/// A Unix socket that listens at this path, for who plays a daemon.
inline UniqueFd listen_at(const std::string& path) {
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(socket.get(), 1) == 0);
  return socket;
}

}  // namespace tine::test
