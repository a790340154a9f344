#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/unique_fd.hpp"
#include "core/job/job.hpp"
#include "ipc/client.hpp"

namespace tine::cmd {

/// `--joblog FILE` in the columns of GNU parallel, a row as each job ends, tabs between them. Host is ":",
/// this machine; Send is 0. A job that a signal ended has it in Signal and 0 in Exitval; one that timed out,
/// was cancelled or lost has the exit code that tine gives it.
class Joblog {
 public:
  struct Row {
    std::uint64_t seq = 0;
    Micros started = 0;     ///< 0: never
    double duration_s = 0;  ///< of the run
    std::uint64_t stdout_bytes = 0;
    int exit_code = 0, signal = 0;
    std::string command;
  };

  Joblog() = default;  ///< writes nothing
  /// Makes the file, or empties it, and writes the head; nothing given: writes nothing.
  /// Errors: Errc::cannot_create, Errc::io.
  static Result<Joblog> create(const std::optional<std::string_view>& path);
  /// Errors: Errc::io.
  Status add(const Row& row);
  bool is_wanted() const { return static_cast<bool>(file_); }

 private:
  UniqueFd file_;
  std::string path_;
};

/// The row of a job record.
Joblog::Row joblog_row(const ipc::Json& record, std::uint64_t seq);

/// A command as one would type it, in one line.
std::string shell_text(const std::vector<std::string>& words);

}  // namespace tine::cmd
