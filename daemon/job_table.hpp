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
  /// Moves what the log holds into the table once it has grown to 16 MiB, which waits for the disk twice, for
  /// some ten milliseconds. Not a part of a commit: who waits for that must not wait for this. What fails is
  /// tried again behind the next commit.
  void empty_long_log();
  void roll_back();
  bool is_in_transaction() const { return sqlite3_get_autocommit(db_) == 0; }
  Status savepoint();
  void release();
  void roll_back_to_savepoint();

  struct NewJob {
    JobId id;
    JobState state;  ///< waiting, queued, or running when the intent comes with it
    Micros submitted;
    const JobSpec* spec;
    std::string spec_bytes;
  };
  /// The id of this environment blob; the same bytes share one.
  Result<std::int64_t> environment(const std::string& blob);
  Status insert(const NewJob& job, std::int64_t environment_id);
  /// The job that has this idempotency key, 0: none.
  Result<JobId> id_of_key(const std::string& idempotency_key);
  /// nullopt: there is no such job.
  Result<std::optional<JobState>> state_of(JobId id);

  struct StartData {
    std::uint32_t attempt;
    std::string spec;
    std::shared_ptr<const std::string> environment;
  };
  /// Stores the intent to start (state running, attempt + 1) and reads what a worker needs.
  Result<StartData> intend(JobId id);
  /// A job that was not begun after all goes back in line, its attempt not counted.
  Status requeue(JobId id);
  /// An attempt's end that is not the job's: it waits for its next one.
  Status retry(JobId id, Micros not_before, std::uint32_t crashes);
  /// held, or back to what it was; of a job that has not begun.
  Status hold(JobId id, bool held);
  Status set_paused(JobId id, bool paused);
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
    Micros not_before;
    std::uint32_t crashes;
    bool is_paused;
    bool start_is_told;                 ///< of the attempt that was intended, or else of the next
    std::optional<JobSpec> conditions;  ///< its spec, where that has some
  };
  Status each_unfinished(const std::function<void(const Unfinished&)>& visit);
  std::map<JobState, std::uint64_t> counts();
  std::vector<JobId> pending_callbacks();
  using Spared = std::function<bool(JobId)>;
  struct Forgotten {
    std::vector<JobId> ids;
    std::vector<JobState> states;
    std::vector<std::string> stdin_files;  ///< our own copies, nobody's now
  };
  /// Forgets the oldest ended jobs, `at_most` so many; returns what they leave behind.
  Result<Forgotten> trim(std::size_t at_most, const Spared& spared);
  /// Forgets ended jobs, at most `at_most`: those that ended before `before`, of this state where one is
  /// given. Who waits for its callback stays. `from`: where to begin, and to go on; 0 at the end.
  Result<Forgotten> clean(Micros before, std::optional<JobState> state, JobId& from, std::size_t at_most,
                          const Spared& spared);

  // --- events: what happened, numbered by one without a gap ---
  struct Event {
    std::uint64_t seq = 0;
    Micros time = 0;
    std::string type;
    JobId job = 0;       ///< 0: of none
    std::string detail;  ///< further JSON members, as `"state":"failed"`; "": none
  };
  Status add_event(const Event& event);  ///< its seq is given here
  /// Those after `after`, at most `limit`, ascending.
  Result<std::vector<Event>> events(std::uint64_t after, std::size_t limit);
  std::uint64_t oldest_event();  ///< 0: there is none
  /// That the start of this attempt is told.
  Status mark_start(JobId id, std::uint32_t attempt);
  Status trim_events(std::uint64_t keep);

  struct PoolRow {
    std::string name;
    std::uint32_t size;
    std::string state;              ///< open or closed, and paused
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
  Result<Forgotten> forget(std::vector<JobId> ids);
  ipc::JobRow row_from(sqlite3_stmt* s);
  Result<std::shared_ptr<const std::string>> environment_blob(std::int64_t id);

  sqlite3* db_;
  std::map<const char*, sqlite3_stmt*> prepared_;
  std::map<std::string, std::int64_t> environments_;  ///< the last few, by content
  /// The last few, by id: many jobs in a row share one.
  std::map<std::int64_t, std::shared_ptr<const std::string>> environment_blobs_;
  std::uint64_t commit_number_ = 0;
  JobId greatest_id_ = 0, greatest_id_at_begin_ = 0, greatest_id_at_savepoint_ = 0;
  std::uint64_t commit_number_at_begin_ = 0;
  int changes_at_begin_ = 0;
  int log_pages_ = 0;   ///< after the last commit
  int rows_added_ = 0;  ///< jobs and events of this group, undone ones counted
};

}  // namespace tine
