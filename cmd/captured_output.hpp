#pragma once
#include <functional>

#include "cmd/outliving.hpp"
#include "core/job/job.hpp"

namespace tine::cmd {

enum class Stream { out, err };

/// How much of a job's captured output is wanted.
struct OutputWish {
  bool out = true, err = true;
  bool follow = false;                      ///< until the job has ended, outliving tined
  std::optional<std::uint64_t> last_lines;  ///< of each stream
};

/// Hands the output on, piece by piece, as the daemon has it. `write` returns false to end it all.
/// Errors: Errc::unavailable; what the daemon says (no such job, output that was not captured).
Status read_output(Reached& daemon, JobId id, const OutputWish& wish,
                   const std::function<bool(Stream, std::string_view)>& write);

}  // namespace tine::cmd
