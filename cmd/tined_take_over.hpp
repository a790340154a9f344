#pragma once
#include <string>

#include "core/base/result.hpp"
#include "core/base/unique_fd.hpp"

namespace tine {

/// A daemon that a client started, while the service's own was away, gives way to the service: it ends, and
/// its jobs run on. One of another service does not, or two would end each other for ever. Gives the state
/// dir's lock. Errors: `held`, where the holder stays; what take_state_dir() says after 10 s.
Result<UniqueFd> take_over(const std::string& state_dir, const std::string& socket, const Error& held);

}  // namespace tine
