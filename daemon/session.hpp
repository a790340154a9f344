#pragma once
#include <memory>

#include "daemon/services.hpp"
#include "ipc/channel.hpp"

namespace tine {

/// One client's conversation, from hello to goodbye. Runs on a fiber of its own; returns when it has ended.
void converse(const std::shared_ptr<ipc::Channel>& channel, Services& services);

}  // namespace tine
