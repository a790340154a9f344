#include "core/base/receive.hpp"

#include <sys/socket.h>

#include <cstring>

namespace tine {

ssize_t receive(int socket, std::span<char> buffer, std::vector<UniqueFd>& descriptors) {
  constexpr std::size_t descriptors_max = 8;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * descriptors_max)];
  iovec part{buffer.data(), buffer.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (got < 0) return got;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    for (std::size_t at = 0; at + sizeof(int) <= c->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
      int one = -1;
      std::memcpy(&one, CMSG_DATA(c) + at, sizeof one);
      descriptors.emplace_back(one);
    }
  }
  return got;
}

}  // namespace tine
