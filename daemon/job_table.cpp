#include "daemon/job_table.hpp"

#include <algorithm>

#include "core/base/clock.hpp"
#include "core/base/text.hpp"
#include "daemon/sql_statement.hpp"

namespace tine {
namespace {

// state: JobState. flags: 1 a `run`, 2 has a callback, 4 has conditions. outcome: encode(Outcome), zeros
// before the end. finished: any time before the end. Callback columns: ipc::CallbackStatus.
constexpr const char* schema = R"sql(
CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pools(name TEXT PRIMARY KEY, size INTEGER, state TEXT,
  concurrency INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS environments(id INTEGER PRIMARY KEY, hash INTEGER, blob BLOB);
CREATE INDEX IF NOT EXISTS environments_hash ON environments(hash);
CREATE TABLE IF NOT EXISTS jobs(
  id INTEGER PRIMARY KEY, state INTEGER NOT NULL, attempt INTEGER NOT NULL, priority INTEGER NOT NULL,
  kind INTEGER NOT NULL, flags INTEGER NOT NULL, pool TEXT NOT NULL, submitted INTEGER NOT NULL,
  environment INTEGER NOT NULL, cb_state INTEGER NOT NULL DEFAULT 0, cb_exit INTEGER,
  cb_attempts INTEGER NOT NULL DEFAULT 0, cb_event TEXT, spec BLOB NOT NULL, outcome BLOB,
  not_before INTEGER NOT NULL DEFAULT 0, crashes INTEGER NOT NULL DEFAULT 0, paused INTEGER NOT NULL DEFAULT 0,
  finished INTEGER NOT NULL DEFAULT 0, started_told INTEGER NOT NULL DEFAULT 0, once TEXT);
CREATE INDEX IF NOT EXISTS jobs_state ON jobs(state);
CREATE INDEX IF NOT EXISTS jobs_callback ON jobs(cb_state) WHERE cb_state = 1;
CREATE UNIQUE INDEX IF NOT EXISTS jobs_once ON jobs(once) WHERE once IS NOT NULL;
CREATE TABLE IF NOT EXISTS events(
  seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, type TEXT NOT NULL, job INTEGER NOT NULL, detail TEXT NOT NULL);
)sql";

/// A row that grows at its end would not fit where it is: its page is split, and its neighbours written. One
/// of the same size is changed in place.
std::size_t usual_outcome_bytes() {
  static const std::size_t bytes = [] {
    Outcome outcome;
    outcome.exit_code = 0;
    return encode(outcome).size();
  }();
  return bytes;
}

constexpr const char* schema_version = "2";
constexpr std::string_view row_columns =
    "id, state, attempt, submitted, cb_state, cb_exit, cb_attempts, cb_event, spec, outcome, paused";
constexpr std::size_t environments_remembered = 64;
constexpr int log_pages_max = 4096;  ///< 16 MiB
constexpr int page_rows_looked_at = 2000;

std::string_view blob_of(sqlite3_stmt* s, int column) {
  const void* data = sqlite3_column_blob(s, column);
  return {static_cast<const char*>(data),
          data ? static_cast<std::size_t>(sqlite3_column_bytes(s, column)) : 0};
}

std::int64_t hash_of(const std::string& bytes) {
  std::uint64_t hash = 1469598103934665603ull;  // FNV-1a, 64 bits: stable between builds, as the index needs
  for (const unsigned char c : bytes) hash = (hash ^ c) * 1099511628211ull;
  return static_cast<std::int64_t>(hash);
}

bool labels_match(const std::map<std::string, std::string>& wanted,
                  const std::map<std::string, std::string>& have) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const auto& label) {
    const auto found = have.find(label.first);
    return found != have.end() && found->second == label.second;
  });
}

}  // namespace

JobTable::Statement JobTable::statement(const char* sql) {
  sqlite3_stmt*& prepared = prepared_[sql];
  if (!prepared) sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &prepared, nullptr);
  return Statement(prepared);
}

Error JobTable::error(const std::string& what) const {
  const int code = sqlite3_errcode(db_) & 0xff;
  const char* why = code == SQLITE_FULL ? "the disk is full" : sqlite3_errmsg(db_);
  return make_error(Errc::io, "store: " + what + ": " + why);
}

Status JobTable::run(const char* sql) {
  if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) return error(sql);
  return ok();
}

Result<std::unique_ptr<JobTable>> JobTable::open(const std::string& path, bool sync_full) {
  sqlite3* db = nullptr;
  // One thread at a time, so no lock around each call; and nobody asks how much memory SQLite has.
  sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  const int result = sqlite3_open_v2(
      path.c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  std::unique_ptr<JobTable> table(new JobTable(db));
  if (result != SQLITE_OK) return table->error("open " + path);
  // Exclusive: one connection is the design, and the WAL index then needs no shared memory.
  for (const char* pragma :
       {"PRAGMA locking_mode=EXCLUSIVE", "PRAGMA journal_mode=WAL",
        sync_full ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL",
        "PRAGMA journal_size_limit=16777216", "PRAGMA cache_size=-16384", "PRAGMA temp_store=MEMORY"})
    if (auto status = table->run(pragma); !status)
      return make_error(Errc::io, path + ": " + status.error().message());
  sqlite3_wal_hook(  // instead of SQLite's own, which empties the log within a commit
      db,
      [](void* self, sqlite3*, const char*, int pages) {
        static_cast<JobTable*>(self)->log_pages_ = pages;
        return SQLITE_OK;
      },
      table.get());
  if (auto status = table->make_tables(); !status)
    return make_error(Errc::io, path + ": " + status.error().message());
  return table;
}

Status JobTable::make_tables() {
  if (auto status = run(schema); !status) return status;
  const std::string version = meta("schema");
  if (version.empty())
    if (auto status = set_meta("schema", schema_version); !status) return status;
  if (!version.empty() && version != schema_version)
    return make_error(Errc::io, "store: written by another version (schema " + version +
                                    "); allowed: " + std::string(schema_version));
  const std::string number = meta("commit_number");
  commit_number_ = number.empty() ? 0 : std::stoull(number);
  greatest_id_ =
      std::max<JobId>(last_id(), meta("greatest_id").empty() ? 0 : std::stoull(meta("greatest_id")));
  return ok();
}

JobTable::~JobTable() {
  for (auto& [sql, prepared] : prepared_) sqlite3_finalize(prepared);
  sqlite3_close(db_);
}

Status JobTable::begin() {
  changes_at_begin_ = changes();
  rows_added_ = 0;
  greatest_id_at_begin_ = greatest_id_;
  commit_number_at_begin_ = commit_number_;
  auto s = statement("BEGIN");
  s.step();
  return s.failed() ? Status(error("begin")) : ok();
}

Status JobTable::commit() {
  if (changes() - changes_at_begin_ > rows_added_) {
    auto s = statement("UPDATE meta SET value = ? WHERE key = 'commit_number'");
    s.text(std::to_string(commit_number_ + 1)).step();
    if (s.failed()) return error("commit");
    if (sqlite3_changes(db_) == 0)
      if (auto status = set_meta("commit_number", std::to_string(commit_number_ + 1)); !status) return status;
    ++commit_number_;
  }
  auto s = statement("COMMIT");
  s.step();
  return s.failed() ? Status(error("commit")) : ok();
}

void JobTable::empty_long_log() {
  if (log_pages_ < log_pages_max) return;
  log_pages_ = 0;
  sqlite3_wal_checkpoint_v2(db_, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
}

void JobTable::roll_back() {
  sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
  environments_.clear();
  environment_blobs_.clear();
  greatest_id_ = greatest_id_at_begin_;
  commit_number_ = commit_number_at_begin_;
}
Status JobTable::savepoint() {
  auto s = statement("SAVEPOINT work");
  s.step();
  greatest_id_at_savepoint_ = greatest_id_;
  return s.failed() ? Status(error("savepoint")) : ok();
}
void JobTable::release() { statement("RELEASE work").step(); }
void JobTable::roll_back_to_savepoint() {
  sqlite3_exec(db_, "ROLLBACK TO work; RELEASE work", nullptr, nullptr, nullptr);
  environments_.clear();
  environment_blobs_.clear();
  greatest_id_ = greatest_id_at_savepoint_;
}

Result<std::int64_t> JobTable::environment(const std::string& blob) {
  if (const auto known = environments_.find(blob); known != environments_.end()) return known->second;
  const std::int64_t hash = hash_of(blob);
  std::int64_t id = 0;
  {
    auto s = statement("SELECT id, blob FROM environments WHERE hash = ?");
    s.bind(hash);
    while (s.step())
      if (blob_of(s.get(), 1) == blob) id = s.integer(0);
    if (s.failed()) return error("read environments");
  }
  if (id == 0) {
    auto s = statement("INSERT INTO environments(hash, blob) VALUES(?, ?)");
    s.bind(hash).blob(blob).step();
    if (s.failed()) return error("store the environment");
    id = sqlite3_last_insert_rowid(db_);
  }
  if (environments_.size() >= environments_remembered) environments_.clear();
  environments_[blob] = id;
  return id;
}

Status JobTable::insert(const NewJob& job, std::int64_t environment_id) {
  auto s = statement(
      "INSERT INTO jobs(id, state, attempt, priority, kind, flags, pool, submitted, environment, spec, "
      "not_before, once, finished, outcome) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?8, "
      "zeroblob(?13))");
  s.bind(static_cast<std::int64_t>(job.id)).bind(static_cast<int>(job.state));
  s.bind(job.state == JobState::running ? 1 : 0)
      .bind(job.spec->priority)
      .bind(static_cast<int>(job.spec->kind));
  s.bind((job.spec->foreground != Foreground::no) + 2 * !job.spec->callback.empty() +
         4 * job.spec->has_conditions())
      .text(job.spec->pool)
      .bind(job.submitted)
      .bind(environment_id)
      .blob(job.spec_bytes)
      .bind(job.spec->not_before);
  if (job.spec->idempotency_key.empty())
    s.null();
  else
    s.text(job.spec->idempotency_key);
  s.bind(static_cast<std::int64_t>(usual_outcome_bytes()));
  s.step();
  if (s.failed()) return error("store a job");
  ++rows_added_;
  greatest_id_ = std::max(greatest_id_, job.id);
  return add_event({0, job.submitted, "job.submitted", job.id, ""});
}

Result<JobId> JobTable::id_of_key(const std::string& idempotency_key) {
  auto s = statement("SELECT id FROM jobs WHERE once = ?");
  const bool found = s.text(idempotency_key).step();
  if (s.failed()) return error("read a key");
  return found ? static_cast<JobId>(s.integer(0)) : JobId{0};
}

Result<std::optional<JobState>> JobTable::state_of(JobId id) {
  auto s = statement("SELECT state FROM jobs WHERE id = ?");
  const bool found = s.bind(static_cast<std::int64_t>(id)).step();
  if (s.failed()) return error("read a state");
  return found ? std::optional(static_cast<JobState>(s.integer(0))) : std::nullopt;
}

Status JobTable::retry(JobId id, Micros not_before, std::uint32_t crashes) {
  auto s = statement(
      "UPDATE jobs SET state = 0, not_before = ?, crashes = ?, paused = 0 WHERE id = ? AND state < 5");
  s.bind(not_before).bind(crashes).bind(static_cast<std::int64_t>(id)).step();
  return s.failed() ? Status(error("store a retry")) : ok();
}

Status JobTable::hold(JobId id, bool held) {
  // One that was intended and not begun gives its attempt back.
  auto s = statement("UPDATE jobs SET attempt = attempt - (state = 3), state = ? WHERE id = ? AND state < 5");
  s.bind(static_cast<int>(held ? JobState::held : JobState::queued))
      .bind(static_cast<std::int64_t>(id))
      .step();
  return s.failed() ? Status(error(held ? "hold a job" : "release a job")) : ok();
}

Status JobTable::set_paused(JobId id, bool paused) {
  auto s = statement("UPDATE jobs SET paused = ? WHERE id = ?");
  s.bind(paused).bind(static_cast<std::int64_t>(id)).step();
  return s.failed() ? Status(error("pause a job")) : ok();
}

Result<JobTable::StartData> JobTable::intend(JobId id) {
  {
    auto s = statement("UPDATE jobs SET state = 3, attempt = attempt + 1 WHERE id = ?");
    s.bind(static_cast<std::int64_t>(id)).step();
    if (s.failed()) return error("store the intent to start");
  }
  auto s = statement("SELECT attempt, spec, environment FROM jobs WHERE id = ?");
  if (!s.bind(static_cast<std::int64_t>(id)).step()) return error("read job " + std::to_string(id));
  auto environment = environment_blob(s.integer(2));
  if (!environment) return environment.error();
  return StartData{static_cast<std::uint32_t>(s.integer(0)), std::string(blob_of(s.get(), 1)),
                   std::move(*environment)};
}

Result<std::shared_ptr<const std::string>> JobTable::environment_blob(std::int64_t id) {
  if (const auto known = environment_blobs_.find(id); known != environment_blobs_.end()) return known->second;
  auto s = statement("SELECT blob FROM environments WHERE id = ?");
  if (!s.bind(id).step()) return error("read an environment");
  if (environment_blobs_.size() >= environments_remembered) environment_blobs_.clear();
  return environment_blobs_[id] = std::make_shared<const std::string>(blob_of(s.get(), 0));
}

Status JobTable::requeue(JobId id) {
  auto s = statement("UPDATE jobs SET state = 2, attempt = max(attempt - 1, 0) WHERE id = ? AND state = 3");
  s.bind(static_cast<std::int64_t>(id)).step();
  return s.failed() ? Status(error("put a job back")) : ok();
}

Status JobTable::finish(JobId id, JobState state, const std::string& outcome_bytes,
                        const std::string& event_id) {
  // An end never changes: a second one for the same job finds no row.
  auto s = statement(
      "UPDATE jobs SET state = ?, outcome = ?, cb_state = ?, cb_event = ?, finished = ? WHERE id = ? AND "
      "state < 5");
  s.bind(static_cast<int>(state)).blob(outcome_bytes).bind(event_id.empty() ? 0 : 1);
  if (event_id.empty())
    s.null();
  else
    s.text(event_id);
  const Micros now = now_micros();
  s.bind(now).bind(static_cast<std::int64_t>(id)).step();
  if (s.failed()) return error("store an end");
  if (sqlite3_changes(db_) == 0) return ok();
  return add_event({0, now, "job.finished", id, "\"state\":\"" + std::string(name_of(state)) + "\""});
}

Status JobTable::callback_begins(JobId id) {
  auto s = statement("UPDATE jobs SET cb_attempts = cb_attempts + 1 WHERE id = ?");
  s.bind(static_cast<std::int64_t>(id)).step();
  return s.failed() ? Status(error("store a callback")) : ok();
}

Status JobTable::callback_ends(JobId id, bool succeeded, std::optional<int> exit_code) {
  auto s = statement("UPDATE jobs SET cb_state = ?, cb_exit = ? WHERE id = ? AND cb_state = 1");
  s.bind(succeeded ? 2 : 3);
  if (exit_code)
    s.bind(*exit_code);
  else
    s.null();
  s.bind(static_cast<std::int64_t>(id)).step();
  return s.failed() ? Status(error("store a callback's end")) : ok();
}

ipc::JobRow JobTable::row_from(sqlite3_stmt* s) {
  ipc::JobRow row;
  row.id = static_cast<JobId>(sqlite3_column_int64(s, 0));
  row.state = static_cast<JobState>(sqlite3_column_int(s, 1));
  row.attempt = static_cast<std::uint32_t>(sqlite3_column_int(s, 2));
  row.submitted = sqlite3_column_int64(s, 3);
  row.callback.state = static_cast<ipc::CallbackStatus::State>(sqlite3_column_int(s, 4));
  if (sqlite3_column_type(s, 5) != SQLITE_NULL) row.callback.exit_code = sqlite3_column_int(s, 5);
  row.callback.attempts = static_cast<std::uint32_t>(sqlite3_column_int(s, 6));
  if (const auto* event = sqlite3_column_text(s, 7))
    row.callback.event_id = reinterpret_cast<const char*>(event);
  row.spec = decode_spec(blob_of(s, 8)).value_or(JobSpec{});
  row.is_paused = sqlite3_column_int(s, 10) != 0;
  if (sqlite3_column_type(s, 9) != SQLITE_NULL) row.outcome = decode_outcome(blob_of(s, 9));
  return row;
}

Result<std::optional<ipc::JobRow>> JobTable::row(JobId id) {
  static const std::string sql = "SELECT " + std::string(row_columns) + " FROM jobs WHERE id = ?";
  auto s = statement(sql.c_str());
  if (s.bind(static_cast<std::int64_t>(id)).step()) return std::optional(row_from(s.get()));
  if (s.failed()) return error("read a job");
  return std::optional<ipc::JobRow>{};
}

Result<std::vector<ipc::JobRow>> JobTable::page(const Filter& filter, Order order, JobId& from,
                                                std::size_t limit) {
  const bool up = order == Order::oldest_first;
  static const std::string select = "SELECT " + std::string(row_columns) + " FROM jobs WHERE ";
  static const std::string ascending = select + "id > ?1 ORDER BY id LIMIT ?2";
  static const std::string descending = select + "id < ?1 ORDER BY id DESC LIMIT ?2";
  static const std::string ascending_of_state = select + "state = ?3 AND id > ?1 ORDER BY id LIMIT ?2";
  static const std::string descending_of_state = select + "state = ?3 AND id < ?1 ORDER BY id DESC LIMIT ?2";
  const auto& sql =
      filter.state ? (up ? ascending_of_state : descending_of_state) : (up ? ascending : descending);
  auto s = statement(sql.c_str());
  s.bind(static_cast<std::int64_t>(std::min<JobId>(from, INT64_MAX))).bind(page_rows_looked_at);
  if (filter.state) s.bind(static_cast<int>(*filter.state));
  std::vector<ipc::JobRow> rows;
  int looked_at = 0;
  while (rows.size() < limit && s.step()) {
    ++looked_at;
    from = static_cast<JobId>(s.integer(0));
    ipc::JobRow row = row_from(s.get());
    if (row.submitted < filter.since) continue;
    if (filter.pool && row.spec.pool != *filter.pool) continue;
    if (!filter.name_glob.empty() && !glob_matches(filter.name_glob, row.spec.name)) continue;
    if (!labels_match(filter.labels, row.spec.labels)) continue;
    rows.push_back(std::move(row));
  }
  if (s.failed()) return error("list jobs");
  if (rows.size() < limit && looked_at < page_rows_looked_at) from = 0;
  return rows;
}

Result<std::vector<std::pair<JobId, JobState>>> JobTable::ids(JobId from, JobId to, std::size_t limit) {
  auto s = statement("SELECT id, state FROM jobs WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?");
  s.bind(static_cast<std::int64_t>(std::min<JobId>(from, INT64_MAX)));
  s.bind(static_cast<std::int64_t>(std::min<JobId>(to, INT64_MAX))).bind(static_cast<std::int64_t>(limit));
  std::vector<std::pair<JobId, JobState>> found;
  while (s.step()) found.emplace_back(s.integer(0), static_cast<JobState>(s.integer(1)));
  if (s.failed()) return error("read ids");
  return found;
}

Result<std::string> JobTable::environment_of(JobId id) {
  auto s =
      statement("SELECT blob FROM jobs JOIN environments ON environments.id = environment WHERE jobs.id = ?");
  if (!s.bind(static_cast<std::int64_t>(id)).step()) return error("read an environment");
  return std::string(blob_of(s.get(), 0));
}

JobId JobTable::last_id() {
  auto s = statement("SELECT max(id) FROM jobs");
  return s.step() ? static_cast<JobId>(s.integer(0)) : 0;
}

Status JobTable::each_unfinished(const std::function<void(const Unfinished&)>& visit) {
  // By state first, so that the index answers: a store of a million ended jobs starts as quickly as an empty
  // one.
  auto s = statement(
      "SELECT id, state, attempt, priority, pool, flags, kind, not_before, crashes, paused, "
      "started_told > attempt - (state = 3), CASE WHEN flags & 4 THEN spec END FROM jobs WHERE state < 5 "
      "ORDER BY id");
  while (s.step()) {
    const auto* pool = reinterpret_cast<const char*>(sqlite3_column_text(s.get(), 4));
    visit({static_cast<JobId>(s.integer(0)), static_cast<JobState>(s.integer(1)),
           static_cast<std::uint32_t>(s.integer(2)), static_cast<std::int32_t>(s.integer(3)),
           pool ? pool : "", (s.integer(5) & 1) != 0, (s.integer(5) & 2) != 0,
           static_cast<JobKind>(s.integer(6)), s.integer(7), static_cast<std::uint32_t>(s.integer(8)),
           s.integer(9) != 0, s.integer(10) != 0, decode_spec(blob_of(s.get(), 11))});
  }
  return s.failed() ? Status(error("read unfinished jobs")) : ok();
}

std::map<JobState, std::uint64_t> JobTable::counts() {
  std::map<JobState, std::uint64_t> counts;
  auto s = statement("SELECT state, count(*) FROM jobs GROUP BY state");
  while (s.step()) counts[static_cast<JobState>(s.integer(0))] = static_cast<std::uint64_t>(s.integer(1));
  return counts;
}

std::vector<JobId> JobTable::pending_callbacks() {
  std::vector<JobId> ids;
  auto s = statement("SELECT id FROM jobs WHERE cb_state = 1 ORDER BY id");
  while (s.step()) ids.push_back(static_cast<JobId>(s.integer(0)));
  return ids;
}

Result<JobTable::Forgotten> JobTable::trim(std::size_t at_most, const Spared& spared) {
  std::vector<JobId> gone;
  if (at_most == 0) return Forgotten{};
  {
    auto s = statement("SELECT id FROM jobs WHERE state >= 5 AND cb_state <> 1 ORDER BY id LIMIT ?");
    s.bind(static_cast<std::int64_t>(at_most));
    while (s.step())
      if (const auto id = static_cast<JobId>(s.integer(0)); !spared(id)) gone.push_back(id);
    if (s.failed()) return error("trim");
  }
  return forget(std::move(gone));
}

Result<JobTable::Forgotten> JobTable::clean(Micros before, std::optional<JobState> state, JobId& from,
                                            std::size_t at_most, const Spared& spared) {
  std::vector<JobId> gone;
  std::size_t looked_at = 0;
  {
    auto s = statement(
        "SELECT id, state, finished, cb_state FROM jobs WHERE id > ? AND state >= 5 ORDER BY id LIMIT ?");
    s.bind(static_cast<std::int64_t>(from)).bind(static_cast<std::int64_t>(at_most));
    while (s.step()) {
      ++looked_at;
      from = static_cast<JobId>(s.integer(0));
      const bool is_meant = !state || static_cast<JobState>(s.integer(1)) == *state;
      if (is_meant && s.integer(2) <= before && s.integer(3) != 1 && !spared(from)) gone.push_back(from);
    }
    if (s.failed()) return error("clean");
  }
  if (looked_at < at_most) from = 0;
  return forget(std::move(gone));
}

Result<JobTable::Forgotten> JobTable::forget(std::vector<JobId> ids) {
  Forgotten forgotten;
  if (auto status = set_meta("greatest_id", std::to_string(greatest_id_)); !status) return status.error();
  for (const JobId id : ids) {
    auto s = statement("DELETE FROM jobs WHERE id = ? RETURNING state, spec");
    if (s.bind(static_cast<std::int64_t>(id)).step()) {
      forgotten.states.push_back(static_cast<JobState>(s.integer(0)));
      if (auto spec = decode_spec(blob_of(s.get(), 1)); spec && spec->stdin_is_spooled)
        forgotten.stdin_files.push_back(std::move(spec->stdin_path));
    }
    if (s.failed()) return error("forget a job");
  }
  forgotten.ids = std::move(ids);
  return forgotten;
}

std::vector<JobTable::PoolRow> JobTable::pools() {
  std::vector<PoolRow> pools;
  auto s = statement("SELECT name, size, state, concurrency FROM pools ORDER BY name");
  while (s.step())
    pools.push_back({reinterpret_cast<const char*>(sqlite3_column_text(s.get(), 0)),
                     static_cast<std::uint32_t>(s.integer(1)),
                     reinterpret_cast<const char*>(sqlite3_column_text(s.get(), 2)),
                     static_cast<std::uint32_t>(s.integer(3))});
  return pools;
}

Status JobTable::put_pool(const PoolRow& pool) {
  auto s = statement("INSERT OR REPLACE INTO pools(name, size, state, concurrency) VALUES(?, ?, ?, ?)");
  s.text(pool.name).bind(pool.size).text(pool.state).bind(pool.concurrency).step();
  return s.failed() ? Status(error("store a pool")) : ok();
}

Status JobTable::remove_pool(const std::string& name) {
  auto s = statement("DELETE FROM pools WHERE name = ?");
  s.text(name).step();
  return s.failed() ? Status(error("remove a pool")) : ok();
}

Status JobTable::reserve_ids(JobId up_to) {
  greatest_id_ = std::max(greatest_id_, up_to);
  return set_meta("greatest_id", std::to_string(greatest_id_));
}

std::string JobTable::meta(const std::string& key) {
  auto s = statement("SELECT value FROM meta WHERE key = ?");
  if (!s.text(key).step()) return "";
  return reinterpret_cast<const char*>(sqlite3_column_text(s.get(), 0));
}

Status JobTable::set_meta(const std::string& key, const std::string& value) {
  auto s = statement("INSERT OR REPLACE INTO meta(key, value) VALUES(?, ?)");
  s.text(key).text(value).step();
  return s.failed() ? Status(error("store a setting")) : ok();
}

}  // namespace tine
