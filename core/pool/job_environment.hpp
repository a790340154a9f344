#pragma once
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

/// A job's environment: the submitter's base, what the spec lays over it, and tine's own names. Each name
/// once; the later wins. An order without a job (a call) leaves the job's id to the submitter's environment.
std::vector<std::string> job_environment(const StartOrder& order, const JobSpec& spec,
                                         const std::string& socket_path, std::uint32_t slot);

}  // namespace tine
