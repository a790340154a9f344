#include "core/shared/job_mark.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>

#include "core/base/file.hpp"
#include "core/base/unique_fd.hpp"
#include "core/shared/segment.hpp"

namespace tine::shared {
namespace {

/// The kernel stamps folders with the time of its last tick: up to 10 ms old (CONFIG_HZ=100).
constexpr std::int64_t tick_ns = 20'000'000;

std::string folder_in(const std::string& shared_folder) { return shared_folder + "/.jobs"; }

std::string path_of(const std::string& shared_folder, Owner job) {
  return folder_in(shared_folder) + "/" + std::to_string(job_of(job)) + "." + std::to_string(attempt_of(job));
}

std::int64_t nanoseconds(const timespec& time) { return time.tv_sec * INT64_C(1'000'000'000) + time.tv_nsec; }

}  // namespace

Status mark_job(const std::string& shared_folder, Owner job) {
  static std::atomic<Owner> marked{0};
  if (marked.load(std::memory_order_relaxed) == job) return ok();
  const auto path = path_of(shared_folder, job);
  const auto make = [&] { return ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600); };
  UniqueFd fd(make());
  if (!fd && errno == ENOENT) {
    ::mkdir(folder_in(shared_folder).c_str(), 0700);
    fd.reset(make());
  }
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
  for (const auto& name : names_in(folder_in(shared_folder))) {
    unsigned long long id = 0;
    unsigned attempt = 0;
    if (std::sscanf(name.c_str(), "%llu.%u", &id, &attempt) == 2) jobs.push_back(owner_of_job(id, attempt));
  }
  return jobs;
}

bool MarkedJobs::contains(Owner job) {
  struct stat info {};
  if (::stat(folder_in(shared_folder_).c_str(), &info) < 0) return false;  // nobody has ever made one
  if (!is_settled_ || nanoseconds(info.st_mtim) != nanoseconds(changed_)) {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    changed_ = info.st_mtim;
    is_settled_ = nanoseconds(now) - nanoseconds(changed_) > tick_ns;
    const auto jobs = marked_jobs(shared_folder_);
    jobs_ = std::set<Owner>(jobs.begin(), jobs.end());
  }
  return jobs_.contains(job);
}

}  // namespace tine::shared
