#pragma once
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/unique_fd.hpp"
#include "core/job/job.hpp"
#include "core/pool/worker_protocol.hpp"

namespace tine {

/// The two files a worker's jobs write to, one job after the other: `<state dir>/output/<key>.out` and `.err`.
class OutputFiles {
 public:
  /// The descriptor of the state dir stays the caller's.
  OutputFiles(int state_dir_fd, std::string key) : state_dir_fd_(state_dir_fd), key_(std::move(key)) {}

  Status open();  ///< where they are not open: then they are empty
  int out() const { return out_.get(); }
  int err() const { return err_.get(); }
  /// Puts the sizes and the bytes into the outcome; a long one's file becomes `output/<job>.out` or `.err`.
  void collect(Outcome& outcome);
  void remove();  ///< at the worker's clean end

  std::string own_name(const char* suffix) const { return "output/" + key_ + suffix; }  ///< below the state dir
  static std::string job_name(JobId job, const char* suffix) { return "output/" + std::to_string(job) + suffix; }
  int state_dir_fd() const { return state_dir_fd_; }

 private:
  int state_dir_fd_;
  std::string key_;
  UniqueFd out_, err_;
};

/// What becomes 0, 1 and 2 of one job, and the pipe that tells of its caller.
struct JobStreams {
  int in = -1, out = -1, err = -1;
  UniqueFd alive;                ///< -1: nobody waits in person
  bool is_captured = false;      ///< out and err are the OutputFiles
  std::vector<UniqueFd> held;    ///< closed with this
};

/// Errors: the stdin file cannot be opened, descriptors that were promised did not come, no space for the output files.
Result<JobStreams> open_streams(const StartOrder& order, const JobSpec& spec, std::vector<UniqueFd> descriptors, int null_fd,
                                OutputFiles& files);

}  // namespace tine
