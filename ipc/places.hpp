#pragma once
#include <string>

#include "core/base/result.hpp"

/// Where tine and tined meet: the same answer in a login shell, in cron and inside a job.
namespace tine::ipc {

/// $HOME, else the folder that /etc/passwd gives this uid (read by hand: NSS does not work in a static
/// program). Errors: Errc::usage when neither names one.
Result<std::string> home_folder();

/// The state dir, absolute: `given` (--state-dir; "": not given), else $TINE_STATE_DIR, else the default of
/// this uid. Makes nothing.  Errors: as home_folder().
Result<std::string> state_folder(const std::string& given);

/// The socket, absolute: `given` (--socket; "": not given), else $TINE_SOCKET, else below the state dir.
/// Errors: Errc::usage for one over limits::socket_path_bytes_max; as home_folder().
Result<std::string> socket_path(const std::string& given, const std::string& given_state_dir);

struct ConfigPlace {
  std::string path;
  bool must_exist = false;  ///< the user named it; false: its absence means the defaults
};
/// `given` (--config; "": not given), else $TINE_CONFIG, else the default of this uid.
Result<ConfigPlace> config_place(const std::string& given);

}  // namespace tine::ipc
