#pragma once
#include <functional>
#include <string>

#include "core/base/result.hpp"
#include "daemon/config.hpp"

namespace tine {

struct DaemonOptions {
  std::string state_dir;                 ///< absolute, made and locked by the caller
  std::string socket_path;               ///< absolute
  std::uint64_t open_files_soft = 1024;  ///< what jobs get back of RLIMIT_NOFILE
  std::function<void()> on_ready;        ///< clients can connect
  bool is_supervised = false;            ///< a service manager started it, and will again
};

/// The daemon's life: recover what an earlier one left, start the parts, run the loop, stop them in reverse.
/// Returns when it was asked to end. Errors end the start; nothing is left behind then.
Status run_daemon(const Config& config, const DaemonOptions& options);

}  // namespace tine
