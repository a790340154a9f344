#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/job/job.hpp"
#include "core/pool/worker_protocol.hpp"

namespace tine {

/// What a service manager tells its service alone, as K=V: who inherits NOTIFY_SOCKET speaks for it.
inline bool is_of_service_manager(std::string_view entry) {
  for (const std::string_view name : {"NOTIFY_SOCKET=", "WATCHDOG_", "INVOCATION_ID=", "JOURNAL_STREAM="})
    if (entry.starts_with(name)) return true;
  return false;
}

/// The environments of a worker's jobs. Jobs of one submitter share a base, which is taken apart once.
class JobEnvironments {
 public:
  JobEnvironments(std::string socket_path, std::uint32_t slot)
      : socket_path_(std::move(socket_path)), slot_(slot) {}

  /// The submitter's base, what the spec lays over it, and tine's own names. Each name once; the later wins.
  /// An order without a job (a call) leaves the job's id to the submitter's environment. An order without a
  /// base has an empty one.
  std::vector<std::string> of(const StartOrder& order, const JobSpec& spec);

 private:
  std::string socket_path_;
  std::uint32_t slot_;
  std::shared_ptr<const std::string> base_;  ///< the last one
  std::vector<std::string> entries_;         ///< of it
};

}  // namespace tine
