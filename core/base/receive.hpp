#pragma once
#include <sys/types.h>

#include <span>
#include <vector>

#include "core/base/unique_fd.hpp"

namespace tine {

/// One read of a Unix socket that does not wait, as recvmsg(2): the bytes, 0 at the end, -1 with errno. Puts
/// the descriptors that came along, 8 at most, behind those that are there; close-on-exec.
ssize_t receive(int socket, std::span<char> buffer, std::vector<UniqueFd>& descriptors);

}  // namespace tine
