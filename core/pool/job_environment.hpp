#pragma once
#include <string>
#include <vector>

#include "core/job/job.hpp"
#include "core/pool/worker_protocol.hpp"

namespace tine {

/// A job's environment: the submitter's base, what the spec lays over it, and tine's own names. Each name
/// once; the later wins. An order without a job (a call) leaves the job's id to the submitter's environment.
std::vector<std::string> job_environment(const StartOrder& order, const JobSpec& spec,
                                         const std::string& socket_path, std::uint32_t slot);

}  // namespace tine
