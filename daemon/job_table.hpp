#pragma once
#include <sqlite3.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/job/job.hpp"
#include "ipc/codec.hpp"

namespace tine {

/// The SQL of the store: every statement that there is. Used by the store's thread alone.
class JobTable {
 public:
  static Result<std::unique_ptr<JobTable>> open(const std::string& path, bool sync_full);
  ~JobTable();

  Status begin();
  Status commit();
  void roll_back();
  bool is_in_transaction() const { return sqlite3_get_autocommit(db_) == 0; }
  Status savepoint();
  void release();
  void roll_back_to_savepoint();

  struct NewJob {
    JobId id;
    JobState state;  ///< queued, or running when the intent comes with it
    Micros submitted;
    const JobSpec* spec;
    std::string spec_bytes;
  };
  /// The id of this environment blob; the same bytes share one.
  Result<std::int64_t> environment(const std::string& blob);
  Status insert(const NewJob& job, std::int64_t environment_id);

  struct StartData {
    std::uint32_t attempt;
    std::string spec;
    std::string environment;
  };
  /// Stores the intent to start (state running, attempt + 1) and reads what a worker needs.
  Result<StartData> intend(JobId id);
  /// A job that was not begun after all goes back in line, its attempt not counted.
  Status requeue(JobId id);
  /// An end. `event_id` not empty: a callback is pending from now on.
  Status finish(JobId id, JobState state, const std::string& outcome_bytes, const std::string& event_id);
  Status callback_begins(JobId id);
  Status callback_ends(JobId id, bool succeeded, std::optional<int> exit_code);

  Result<std::optional<ipc::JobRow>> row(JobId id);
  struct Filter {
    std::optional<JobState> state;
    std::optional<std::string> pool;
    std::string name_glob;
    std::map<std::string, std::string> labels;
    Micros since = 0;
  };
  enum class Order { oldest_first, newest_first };
  /// Rows that match, beyond the id `from` in this order, at most `limit`, looking at no more than 2,000
  /// rows. `from` becomes where to go on, 0: there are no more.
  Result<std::vector<ipc::JobRow>> page(const Filter& filter, Order order, JobId& from, std::size_t limit);
  /// Ids that exist in a range, ascending, at most `limit`.
  Result<std::vector<std::pair<JobId, JobState>>> ids(JobId from, JobId to, std::size_t limit);
  Result<std::string> environment_of(JobId id);
  JobId last_id();

  struct Unfinished {
    JobId id;
    JobState state;
    std::uint32_t attempt;
    std::int32_t priority;
    std::string pool;
    bool foreground;
    bool has_callback;
    JobKind kind;
  };
  Status each_unfinished(const std::function<void(const Unfinished&)>& visit);
  std::map<JobState, std::uint64_t> counts();
  std::vector<JobId> pending_callbacks();
  /// Forgets the oldest ended jobs beyond `keep`; returns their ids, for their files.
  Result<std::vector<JobId>> trim(std::uint64_t keep, std::size_t at_most);

  struct PoolRow {
    std::string name;
    std::uint32_t size;
    std::string state;              ///< open or closed
    std::uint32_t concurrency = 0;  ///< 0: a pool of processes
  };
  std::vector<PoolRow> pools();
  Status put_pool(const PoolRow& pool);
  Status remove_pool(const std::string& name);

  std::string meta(const std::string& key);
  Status set_meta(const std::string& key, const std::string& value);
  /// Rises by one with every group that changed a row; one that only added jobs shows in greatest_inserted().
  std::uint64_t commit_number() const { return commit_number_; }
  /// Ids up to this one count as inserted from now on.
  Status reserve_ids(JobId up_to);
  JobId greatest_inserted() const { return greatest_id_; }
  int changes() const { return sqlite3_total_changes(db_); }

 private:
  explicit JobTable(sqlite3* db) : db_(db) {}
  class Statement;
  Statement statement(const char* sql);
  Error error(const std::string& what) const;
  Status run(const char* sql);
  Status make_tables();
  ipc::JobRow row_from(sqlite3_stmt* s);

  sqlite3* db_;
  std::map<const char*, sqlite3_stmt*> prepared_;
  std::map<std::string, std::int64_t> environments_;  ///< the last few, by content
  std::uint64_t commit_number_ = 0;
  JobId greatest_id_ = 0, greatest_id_at_begin_ = 0, greatest_id_at_savepoint_ = 0;
  std::uint64_t commit_number_at_begin_ = 0;
  int changes_at_begin_ = 0;
  int jobs_added_ = 0;  ///< in this group, undone ones counted
};

}  // namespace tine
