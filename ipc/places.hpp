#pragma once
#include <string>

#include "core/base/result.hpp"
#include "core/base/state_folder.hpp"

/// Where tine and tined meet: the same answer in a login shell, in cron and inside a job.
namespace tine::ipc {

using tine::home_folder;
using tine::state_folder;

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
