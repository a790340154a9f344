#pragma once
#include <utility>
#include <vector>

#include "cmd/options.hpp"
#include "cmd/outliving.hpp"
#include "core/job/job.hpp"
#include "ipc/client.hpp"

namespace tine::cmd {

/// The jobs that SEL… names: ids, ranges, `last`.
struct Selection {
  std::vector<std::pair<JobId, JobId>> ranges;  ///< both ends included
  bool last = false;
};

/// Errors: Errc::usage for none at all, a malformed or a reversed one.
Result<Selection> parse_selection(const Words& words);

/// As the "ids" and "last" of a request.
ipc::Json to_params(const Selection& selection);

/// Turns `last` into an id, so that the same jobs are meant when the question is asked again.
/// Errors: Errc::absent when there is no job; what the daemon says.
Status pin_last(Reached& daemon, Selection& selection);

/// The ids of the jobs that there are. A plain id is taken as it is; a range asks which of it exist.
/// Errors: Errc::absent for a range without any; what the daemon says.
Result<std::vector<JobId>> existing_ids(Reached& daemon, Selection selection);

}  // namespace tine::cmd
