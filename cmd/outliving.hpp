#pragma once
#include <functional>
#include <string_view>

#include "cmd/autostart.hpp"

namespace tine::cmd {

/// Asks, and asks again when tined goes away before the answer and is back within `redial_for`.
/// `params` is called for each asking; `on_notification` gets what comes before the answer, and ends the
/// asking with its error; `on_quiet` is called several times a second meanwhile.  Errors: Errc::unavailable;
/// what the daemon says.
Result<ipc::Json> ask_outliving(
    Reached& daemon, std::string_view method, const std::function<ipc::Json()>& params,
    const std::function<Status(const ipc::Client::Notification&)>& on_notification = {},
    const std::function<void()>& on_quiet = {});

/// The record of one job once it has ended.
Result<ipc::Json> await_record(Reached& daemon, std::uint64_t id);

}  // namespace tine::cmd
