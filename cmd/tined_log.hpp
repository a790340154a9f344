#pragma once
#include <string>

namespace tine {

/// The daemon's log: to standard error, or to `file` (two of 5 MiB at most), one line an event, as text or
/// JSON.
void start_log(const std::string& level, const std::string& format, const std::string& file);

}  // namespace tine
