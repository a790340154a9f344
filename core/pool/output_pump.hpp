#pragma once
#include <cstdint>

#include "core/base/result.hpp"
#include "core/base/unique_fd.hpp"

namespace tine {

/// Between a job and its output file, where the file may only grow so far: what is beyond is read, counted
/// and dropped, so that the job goes on. Only such jobs pay for the copying; all others write their files
/// themselves.
class OutputPump {
 public:
  /// `file` stays the caller's. Errors: EMFILE.
  static Result<OutputPump> make(int file, std::uint64_t bytes_max);

  int write_end() const { return write_end_.get(); }  ///< the job's
  void close_write_end() { write_end_.reset(); }      ///< once the job has it
  int fd() const { return read_end_.get(); }          ///< -1: everybody has closed it
  /// Moves what is there, without waiting.
  void pump();
  std::uint64_t dropped_bytes() const { return dropped_; }

 private:
  OutputPump(UniqueFd read_end, UniqueFd write_end, int file, std::uint64_t left)
      : read_end_(std::move(read_end)), write_end_(std::move(write_end)), file_(file), left_(left) {}
  UniqueFd read_end_, write_end_;
  int file_;
  std::uint64_t left_;
  std::uint64_t dropped_ = 0;
};

}  // namespace tine
