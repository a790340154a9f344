#include "core/shared/catalogue.hpp"

#include "core/shared/array.hpp"
#include "core/shared/dict.hpp"
#include "core/shared/job_mark.hpp"
#include "core/shared/queue.hpp"
#include "core/shared/rlock.hpp"

namespace tine::shared {
namespace {

Deadline soon() { return Clock::now() + patience; }

/// Whatever `job` (0: none) and the dead hold.
void free_all(const Folder& folder, Owner job) {
  for (const auto& name : folder.names(Kind::lock)) {
    if (auto lock = RLock::open(folder, name)) lock->free_if_ended(job);
  }
  for (const auto& name : folder.names(Kind::queue)) {
    if (auto queue = Queue::open(folder, name)) (void)queue->return_leases(job, soon());
  }
}

Status check_one(const Folder& folder, Kind kind, const std::string& name) {
  switch (kind) {
    case Kind::array: {
      const auto array = Array::open(folder, name);
      return array ? ok() : Status(array.error());
    }
    case Kind::queue: {
      auto queue = Queue::open(folder, name);
      return queue ? queue->verify(soon()) : Status(queue.error());
    }
    case Kind::lock: {
      const auto lock = RLock::open(folder, name);
      return lock ? ok() : Status(lock.error());
    }
    case Kind::dict: {
      auto dict = Dict::open(folder, name);
      return dict ? dict->verify() : Status(dict.error());
    }
  }
  return ok();
}

}  // namespace

bool end_job(const std::string& state_dir, Owner job) {
  if (!has_mark(state_dir + "/shared", job)) return false;
  const auto folder = Folder::open(state_dir);
  if (!folder) return false;
  free_all(*folder, job);
  remove_mark(folder->path(), job);
  return true;
}

std::vector<std::string> recover(const std::string& state_dir, const std::function<bool(Owner)>& is_running) {
  const auto folder = Folder::open(state_dir);
  if (!folder) return {"shared memory: " + folder.error().message()};
  std::vector<std::string> lines;
  for (const auto& name : folder->drop_stale())
    lines.push_back("shared memory: " + name + " was of another boot of this machine and is gone");
  for (const auto job : marked_jobs(folder->path())) {
    if (!is_running(job)) end_job(state_dir, job);
  }
  free_all(*folder, 0);
  for (const auto& finding : check_all(*folder)) {
    if (!finding.trouble.empty())
      lines.push_back(std::string("shared memory: ") + kind_name(finding.kind) + " " + finding.name + ": " +
                      finding.trouble);
  }
  return lines;
}

std::vector<Finding> check_all(const Folder& folder) {
  std::vector<Finding> findings;
  for (const Kind kind : {Kind::array, Kind::dict, Kind::lock, Kind::queue}) {
    for (const auto& name : folder.names(kind)) {
      const auto good = check_one(folder, kind, name);
      findings.push_back({kind, name, good ? "" : good.error().message()});
    }
  }
  return findings;
}

}  // namespace tine::shared
