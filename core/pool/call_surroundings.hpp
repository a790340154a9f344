#pragma once
#include <sys/types.h>

#include <string>
#include <vector>

#include "core/base/unique_fd.hpp"

namespace tine {

/// What a function sees as its process for as long as this lives: a job's cwd, umask, environment and
/// descriptors 0 to 2. The worker's own come back with its end; stdio is flushed before.
class CallSurroundings {
 public:
  /// `environment`: K=V, to outlive this. A cwd that is gone leaves the call in "/": who minds looks before.
  CallSurroundings(const std::string& cwd, mode_t umask, const std::vector<std::string>& environment, int in,
                   int out, int err);
  ~CallSurroundings();
  CallSurroundings(const CallSurroundings&) = delete;
  CallSurroundings& operator=(const CallSurroundings&) = delete;

 private:
  char** own_environment_;
  mode_t own_umask_ = 0;
  UniqueFd own_[3];
  std::vector<char*> pointers_;
};

}  // namespace tine
