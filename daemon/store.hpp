#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/unique_fd.hpp"
#include "core/job/job.hpp"
#include "daemon/job_table.hpp"

namespace tine {

enum class Durability { power, process };

/// Whether somebody waits for the work to be on disk, or it may wait for company.
enum class Haste { now, may_wait };

/// Jobs on disk: `<state dir>/jobs.db` behind one thread and one connection. Work is committed in groups: the
/// thread commits as soon as it is free, what arrived meanwhile is the next group. Work that may wait does so
/// while the last commit is less than group_interval ago and nothing hasty comes: a commit costs a write of
/// each page that it touches, and a flush of the disk.
class Store {
 public:
  using Work = std::function<Status(JobTable&)>;
  using Done = std::function<void(Status)>;
  using Post = std::function<void(std::function<void()>)>;

  /// Opens or makes the store. `post` carries callbacks to the loop's thread and may be called from any
  /// thread. Errors: Errc::io for a file that is no store or a full disk; Errc::cannot_create on a network
  /// file system.
  static Result<std::unique_ptr<Store>> open(const std::string& state_dir, Durability durability, Post post);
  ~Store();

  /// Runs `work` on the store's thread inside the next group; `done` comes on the loop's thread after the
  /// group is on disk, in the order of the calls. An error of `work` undoes that work alone; an error of the
  /// commit is every member's error, and nothing of the group is kept.
  void submit(Work work, Done done, Haste haste = Haste::now);
  /// `look` changes nothing: it comes after work that was hasty, makes no group itself, and overtakes work
  /// that may wait.
  void read(Work look, Done done);
  /// Before the loop runs: on the caller's thread, committed when it returns.
  Status now(const Work& work);

  /// What a damaged store lost since it was last acknowledged, "" if nothing: for the log at the start.
  const std::string& missing() const { return missing_; }
  /// Raised before each acknowledgement; ids of acknowledged jobs are never used again, whatever the store
  /// lost.
  JobId first_free_id() const { return first_free_id_; }
  /// Groups on disk since the start.
  std::uint64_t commits() const { return commits_; }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds group_interval{8};
  static constexpr std::size_t group_large = 64;  ///< enough company
  struct Item {
    Work work;
    Done done;
    Haste haste;
  };
  /// What is to be done next: looks, a group to commit, or both.
  struct Turn {
    std::vector<Item> looks, group;
  };
  /// Sleeps until there is something to do, the last commit having been at `committed_at`. Empty: the store
  /// is being closed.
  Turn next(Clock::time_point committed_at);
  Store(std::unique_ptr<JobTable> table, Post post);
  void run();
  void run_looks(std::vector<Item>& looks);
  void run_group(std::vector<Item> group);
  using Results = std::vector<std::pair<Done, Status>>;
  void tell(Results results);
  void acknowledge();
  Status open_high_water(const std::string& state_dir);

  std::unique_ptr<JobTable> table_;
  Post post_;
  std::mutex door_;
  std::condition_variable knock_;
  std::vector<Item> looks_;
  std::vector<Item> waiting_;
  bool hurries_ = false;  ///< one of these is awaited
  bool stopping_ = false;
  struct HighWater;
  UniqueFd high_water_fd_;
  HighWater* high_water_ = nullptr;
  std::int64_t high_water_synced_s_ = 0;
  std::string missing_;
  JobId first_free_id_ = 1;
  std::atomic<std::uint64_t> commits_{0};
  std::thread thread_;
};

}  // namespace tine
