#pragma once
#include <string>

#include "daemon/job_table.hpp"
#include "daemon/jobs.hpp"

namespace tine {

/// Where the whole of one output of a job is. Exactly one of the two is meant: a file, or bytes in the row.
struct OutputPlace {
  std::string path;  ///< "": inline
  std::string inline_bytes;
};
enum class Stream { out, err };
/// `worker_key` names the worker that runs the job now, "" for one that has ended.
OutputPlace output_of(const ipc::JobRow& row, Stream stream, const std::string& state_dir,
                      const std::string& worker_key);

/// Adds what the store does not know: the live state, the worker, the tails of the outputs.
void complete_row(ipc::JobRow& row, const Jobs* jobs, const std::string& state_dir);

}  // namespace tine
