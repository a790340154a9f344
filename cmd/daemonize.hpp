#pragma once
#include <string>
#include <vector>

namespace tine {

/// `tined -d`: starts tined with `arguments` in a session of its own, waits until clients can connect, and
/// returns 0; otherwise the exit code that it ended with. Its standard error is ours until it is ready.
int start_in_background(std::vector<std::string> arguments);

/// In the background tined, when clients can connect: tells who waits, and lets go of its terminal.
void tell_ready(int ready_fd);

/// READY=1 to the service manager, where NOTIFY_SOCKET names one (sd_notify(3)).
void notify_service_manager(const char* state);

}  // namespace tine
