#pragma once
#include <time.h>

#include <set>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/shared/owner.hpp"

/// An attempt of a job that takes what may outlive its processes (a lock, a lease) leaves a mark, a file in
/// `.jobs` of the shared folder: so the end of an attempt that did not costs a look at that folder's time.
namespace tine::shared {

/// At once when this process has marked it already. Errors: errno of creating a file.
Status mark_job(const std::string& shared_folder, Owner job);
bool has_mark(const std::string& shared_folder, Owner job);
void remove_mark(const std::string& shared_folder, Owner job);
std::vector<Owner> marked_jobs(const std::string& shared_folder);

/// Who asks for many. Not for several threads.
class MarkedJobs {
 public:
  explicit MarkedJobs(std::string shared_folder) : shared_folder_(std::move(shared_folder)) {}
  /// Whether it has a mark. Of a job that has ended: nobody makes it one any more.
  bool contains(Owner job);

 private:
  std::string shared_folder_;
  std::set<Owner> jobs_;
  timespec changed_{};       ///< the folder's time when it was read
  bool is_settled_ = false;  ///< a later change gives it another time
};

}  // namespace tine::shared
