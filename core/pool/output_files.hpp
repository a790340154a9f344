#pragma once
#include <string>

#include "core/base/result.hpp"
#include "core/base/unique_fd.hpp"
#include "core/job/job.hpp"

namespace tine {

/// A worker's two output files, `<state dir>/output/<key>.out` and `.err`. A job writes them itself; small
/// outputs are copied into its outcome and the files serve the next job, large ones become `<job>.out` and
/// `<job>.err`.
class OutputFiles {
 public:
  OutputFiles(std::string state_dir, const std::string& key);
  /// Both open, at length 0. Errors: what open(2) gives.
  Status prepare();
  int out() const { return streams_[0].fd.get(); }
  int err() const { return streams_[1].fd.get(); }
  /// Takes what the job wrote, after its whole tree has gone; of each stream at most `bytes_max`.
  void collect(Outcome& outcome, std::uint64_t bytes_max = no_bound);
  void remove();

 private:
  struct Stream {
    std::string path;
    UniqueFd fd;
  };
  static std::uint64_t cut(const Stream& stream, std::uint64_t bytes_max);
  bool take(Stream& stream, const std::string& kept_path, std::string& inline_bytes, std::uint64_t& size);
  std::string state_dir_;
  Stream streams_[2];
};

}  // namespace tine
