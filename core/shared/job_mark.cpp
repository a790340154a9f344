#include "core/shared/job_mark.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>

#include "core/base/unique_fd.hpp"
#include "core/shared/file_tree.hpp"
#include "core/shared/segment.hpp"

namespace tine::shared {
namespace {

constexpr char prefix[] = ".job.";

std::string path_of(const std::string& folder, Owner job) {
  return folder + "/" + prefix + std::to_string(job_of(job)) + "." + std::to_string(attempt_of(job));
}

}  // namespace

Status mark_job(const std::string& shared_folder, Owner job) {
  static std::atomic<Owner> marked{0};
  if (marked.load(std::memory_order_relaxed) == job) return ok();
  const auto path = path_of(shared_folder, job);
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return creation_error(errno_error("create " + path));
  marked.store(job, std::memory_order_relaxed);
  return ok();
}

bool has_mark(const std::string& shared_folder, Owner job) {
  return ::access(path_of(shared_folder, job).c_str(), F_OK) == 0;
}

void remove_mark(const std::string& shared_folder, Owner job) {
  ::unlink(path_of(shared_folder, job).c_str());
}

std::vector<Owner> marked_jobs(const std::string& shared_folder) {
  std::vector<Owner> jobs;
  for (const auto& name : names_in(shared_folder)) {
    unsigned long long id = 0;
    unsigned attempt = 0;
    if (name.starts_with(prefix) &&
        std::sscanf(name.c_str() + sizeof prefix - 1, "%llu.%u", &id, &attempt) == 2)
      jobs.push_back(owner_of_job(id, attempt));
  }
  return jobs;
}

}  // namespace tine::shared
