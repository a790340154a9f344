#pragma once
#include <string>

#include "core/base/result.hpp"

/// Where a daemon keeps its state: the same answer in a login shell, in cron and inside a job.
namespace tine {

/// Unset and empty are the same: `TINE_SOCKET= tine …` is how a shell unsets it for one command.
std::string environment_value(const char* name);
/// The path made absolute against our own folder; an empty one stays empty.
std::string absolute_from_here(const std::string& path);

/// $HOME, else the folder that /etc/passwd gives this uid (read by hand: NSS does not work in a static
/// program). Errors: Errc::usage when neither names one.
Result<std::string> home_folder();

/// The state dir, absolute: `given` (--state-dir; "": not given), else $TINE_STATE_DIR, else the default of
/// this uid. Makes nothing.  Errors: as home_folder().
Result<std::string> state_folder(const std::string& given);

/// The state dir of the daemon that a client means, without asking it: `given_state_dir`, else what the
/// daemon left beside the socket (`given_socket`, else $TINE_SOCKET), else as state_folder(). So a job whose
/// submitter knew nothing of the daemon's places works in the daemon's memory.
Result<std::string> state_folder_of_socket(const std::string& given_state_dir,
                                           const std::string& given_socket);

/// The link beside the socket that names the state dir, where that is not the socket's own folder.
inline std::string state_link_of_socket(const std::string& socket) { return socket + ".state"; }

}  // namespace tine
