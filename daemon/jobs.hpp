#pragma once
#include <array>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/job/job_queue.hpp"
#include "daemon/callbacks.hpp"
#include "daemon/calls.hpp"
#include "daemon/config.hpp"
#include "daemon/event_log.hpp"
#include "daemon/gates.hpp"
#include "daemon/store.hpp"
#include "daemon/task_calls.hpp"
#include "daemon/waiters.hpp"
#include "daemon/workforce.hpp"

namespace tine {

/// A pool: its line of jobs and its seats.
struct Pool {
  std::string name;
  std::uint32_t size = 0;
  std::uint32_t concurrency = 0;  ///< of each coroutine worker; 0: a pool of processes
  bool is_open = true;
  bool is_paused = false;  ///< starts nothing, and what ran is stopped
  JobQueue queue;
  std::vector<Worker*> seats;  ///< by slot; null: nobody sits here yet
  std::uint64_t queued = 0;    ///< accepted and not started, waiting and held ones counted
  std::uint64_t waiting = 0;   ///< of those: for a time, another job's end, or between attempts
  std::uint64_t held = 0;      ///< of those: by a person
  std::uint64_t running = 0;
  std::uint64_t slots_used = 0;  ///< by the running ones
  std::uint64_t ending = 0;      ///< neither queued nor running: their end is not stored yet

  std::uint64_t unfinished() const { return queued + running + ending; }
  std::uint64_t in_line() const { return queued - waiting - held; }
  /// What runs at once.
  std::uint64_t capacity() const { return std::uint64_t{size} * (concurrency ? concurrency : 1); }
  const char* state() const { return is_paused ? "paused" : is_open ? "open" : "closed"; }

  /// Its intent to start is stored, its order is ready: it waits for a free worker.
  struct Ready {
    JobId id;
    std::int32_t priority;
    JobTable::StartData data;
  };
  std::deque<Ready> ready;              ///< by priority, then by arrival
  double run_us = 0;                    ///< how long its last commands took, roughly; 0: not known
  std::size_t intending = 0;            ///< intents on their way to the disk
  std::int32_t intending_priority = 0;  ///< the highest of them
  bool pump_posted = false;
  bool recall_posted = false;  ///< jobs wait for workers that do duty
};

/// An end that no worker has seen.
Outcome unwitnessed_outcome(JobId id, std::uint32_t attempt, JobState state, Reason reason);
/// Of the callback of this end; told again under the same one.
std::string new_event_id(const Outcome& outcome);

/// A job that has not ended. What else is known of it is in the store.
struct LiveJob {
  enum class Phase : std::uint8_t {
    waiting,  ///< in no line: held, or a gate is closed
    queued,
    intending,
    ready,
    offered,  ///< in the line of a worker, which begins it by itself: settle() says whether it has
    running,
    ending
  };
  Pool* pool = nullptr;
  Worker* worker = nullptr;
  Worker* offered_to = nullptr;
  Micros started = 0;
  std::int32_t priority = 0;
  std::uint32_t attempt = 0;
  Phase phase = Phase::queued;
  std::uint16_t slots = 1;
  std::uint16_t crashes = 0;  ///< of workers that ran it
  JobKind kind = JobKind::command;
  JobState shown = JobState::queued;  ///< of one that has not started: waiting, held or queued
  bool foreground = false;
  bool has_callback = false;
  bool has_conditions = false;  ///< the gates know it
  bool is_held = false;
  bool is_paused = false;
  bool start_is_told = false;  ///< of the attempt that runs, or of the next, by any daemon
  bool awaits_caller = false;  ///< a `run` of an earlier daemon, in no line until its caller is back
  bool cancel_wanted = false;  ///< seen when the intent is stored, or by the death of a function's worker
};

/// The jobs' lives: submitted, chosen, started, ended. Owns nothing on disk and no process: the store and the
/// workforce do.
class Jobs final : public Workforce::Listener {
 public:
  Jobs(asio::io_context& loop, const Config& config, const std::string& state_dir, Store& store,
       Waiters& waiters);
  void use(Workforce& workforce);
  /// Takes over what an earlier daemon left: pools, unfinished jobs, living workers, records of dead ones.
  Status recover();

  // --- submit ---
  using Submitted = std::function<void(Result<std::vector<JobId>>)>;
  /// All or none; an array gives as many ids as it has elements, one behind the other, and a job whose key is
  /// taken the id of who has it. `done` comes after the commit, and before find() knows the jobs. Errors:
  /// Errc::usage (unknown pool, function or job, a cycle), Errc::try_later (pool closed, daemon ending,
  /// duplicate), Errc::io (the disk is full).
  void submit(std::vector<ipc::Submission> submissions, const std::string& environment, Submitted done);
  /// Another job from the spec of one that has ended, its conditions of time and order left out.
  void retry(JobId id, Submitted done);
  /// The caller's descriptors of a `run`, kept until it starts.
  void attach(JobId id, std::vector<UniqueFd> descriptors) { descriptors_[id] = std::move(descriptors); }
  /// The caller of a `run` that an earlier daemon took in: one that has not begun goes on in its line.
  void caller_is_back(JobId id, std::vector<UniqueFd> descriptors);

  // --- control ---
  /// `done` when a job that had not begun is stored as cancelled, or when a running one has been told.
  void cancel(JobId id, std::optional<double> kill_after_s, std::function<void(Status)> done);
  Status signal(JobId id, int signal);
  /// Decides of a job that is `offered` whether it has begun or is ready to.
  void settle(JobId id);
  /// A job that has not begun is not started until it is released. Errors: Errc::absent for one that has
  /// begun.
  void hold(JobId id, bool held, std::function<void(Status)> done);
  /// SIGSTOP for its whole tree, or SIGCONT; its time-out stands still meanwhile. Errors: Errc::absent for
  /// one that does not run.
  void pause(JobId id, bool paused, std::function<void(Status)> done);
  /// One line: what a job that is not running waits for.
  std::string why(JobId id) const;
  JobState state_of(const LiveJob& job) const;
  /// Forgets ended jobs and their logs; how many.
  void clean(Micros before, std::optional<JobState> state, std::function<void(Result<std::uint64_t>)> done);
  EventLog& events() { return events_; }
  const LiveJob* find(JobId id) const;
  const std::unordered_map<JobId, LiveJob>& live() const { return live_; }
  /// All that the store keeps, by state.
  std::map<JobState, std::uint64_t> counts() const;
  /// Since this daemon's start.
  std::uint64_t submitted() const { return submitted_; }
  const std::map<JobState, std::uint64_t>& finished() const { return finished_; }

  // --- pools ---
  const std::map<std::string, std::unique_ptr<Pool>>& pools() const { return pools_; }
  Pool* pool(const std::string& name);
  /// Errors: Errc::usage for one that is not there, Errc::try_later for a closed one or a daemon that ends.
  Result<Pool*> open_pool(const std::string& name);
  /// Errors: Errc::usage naming those that there are.
  Status check_function(const std::string& name, const Pool& pool) const;
  Calls& calls() { return calls_; }
  TaskCalls& task_calls() { return task_calls_; }
  /// `concurrency`: as in Pool.
  void add_pool(const std::string& name, std::uint32_t size, std::uint32_t concurrency,
                std::function<void(Status)> done);
  void resize_pool(Pool& pool, std::uint32_t size, std::function<void(Status)> done);
  void set_open(Pool& pool, bool open, std::function<void(Status)> done);
  void set_paused(Pool& pool, bool paused, std::function<void(Status)> done);
  /// Errors: Errc::try_later where jobs of it have not ended, Errc::usage for one that the config names.
  void remove_pool(Pool& pool, std::function<void(Status)> done);
  std::vector<JobId> jobs_of(const Pool& pool) const;

  // --- the end ---
  void drain();
  bool is_draining() const { return draining_; }
  bool is_idle() const;
  void cancel_running(double kill_after_s);
  /// Rung whenever a job ends: for who waits for a pool or the whole to be empty.
  void on_any_end(std::function<void()> hook);
  /// Called when an attempt that was started has ended, before its end is stored.
  void on_attempt_end(std::function<void(JobId, std::uint32_t attempt)> hook) {
    attempt_end_ = std::move(hook);
  }
  std::set<std::pair<JobId, std::uint32_t>> running_attempts() const;
  bool zygote_ready_once() const { return zygote_ready_; }
  const std::string& zygote_failure() const { return zygote_failure_; }
  void on_zygote(std::function<void()> hook) { zygote_hook_ = std::move(hook); }

 private:
  void worker_is_free(Worker& worker) override;
  void worker_began(Worker& worker) override;
  void line_returned(std::vector<StartOrder> orders) override;
  void worker_left_duty(Worker& worker) override;
  void worker_is_wanted_back(Worker& worker) override;
  void worker_ended(Worker& worker, OrderKind kind, std::uint64_t seq, const std::string& outcome) override;
  void worker_died(Worker& worker, std::optional<Spool::Offer> unwitnessed,
                   std::optional<Spool::Offer> returned) override;
  void task_answered(const WorkerTask& task, CallAnswer answer) override;
  void task_died(Worker& worker, const Spool::Offer& begun, std::uint64_t seq) override;
  void task_returned(JobId job) override;
  void zygote_is_ready() override;
  void zygote_failed(const std::string& why) override;

  struct Source {
    std::string worker_key;  ///< "": no worker's record
    std::uint64_t seq = 0;
  };
  struct Batch;
  Status check(const std::vector<ipc::Submission>& submissions);
  Status expand(std::vector<ipc::Submission> submissions, Batch& batch);
  Status settle_keys(Batch& batch);
  void give_keys_back(const Batch& batch);
  void choose_intended(Batch& batch);
  static Status insert(JobTable& table, Batch& batch);  ///< on the store's thread
  void store_batch(const std::shared_ptr<Batch>& batch, Submitted done);
  void accept(Batch& batch, std::size_t i);
  void staff(Pool& pool);
  void occupy(Pool& pool, Worker& worker);
  void recall_for_jobs(Pool& pool);
  void pump(Pool& pool);
  void pump_soon(Pool& pool);
  void pump_tasks(Pool& pool);
  void adopt_tasks(Worker& worker);
  void kill_coroutine_workers_after(double seconds);
  void start(Pool& pool, Worker& worker);
  void begin(JobId id, Worker& worker, std::uint32_t attempt);
  void give_ahead(Pool& pool, Worker& worker);
  bool may_go_ahead(JobId id) const;
  void take_lines_back(const Pool& pool,
                       std::int64_t below_priority = std::numeric_limits<std::int64_t>::max());
  void note_pace(Pool& pool, const Outcome& outcome);
  void request_intents(Pool& pool);
  static std::size_t intents_wanted(const Pool& pool);
  bool is_overtaken(const Pool& pool) const;
  void intents_stored(Pool& pool, const std::vector<JobId>& ids, std::vector<JobTable::StartData> data,
                      const Status& status);
  enum class Arrival { last, returned };
  void make_ready(Pool& pool, JobId id, JobTable::StartData data, Arrival arrival = Arrival::last);
  void put_back(JobId id);
  void leave_seat(JobId id, LiveJob& job);
  static std::string detail_of(const Worker& worker);
  void await_callers();
  // Waiting and held jobs.
  void line_up(JobId id);
  void step_out(JobId id);
  void show_as(LiveJob& job, JobState state);
  void give_place_back(JobId id);
  void arm_due();
  bool try_again(JobId id, const Outcome& outcome, const Source& source);
  void retry_stored(JobId id, Micros not_before);
  void store_until_taken(JobId id, Store::Work work, std::function<void()> then);
  void pool_row(const Pool& pool, std::function<void(Status)> done);
  void forgotten(const JobTable::Forgotten& what);
  void note_unseen_start(LiveJob& job, const Outcome& outcome);
  void enter_gates(const JobTable::Unfinished& entry, const std::map<JobId, JobState>& ended);
  void end(JobId id, Outcome outcome, Source source, std::function<void(Status)> done = {});
  void ended(JobId id, JobState state, bool has_callback);
  void end_unwitnessed(Worker& worker, const Spool::Offer& begun, Source source);
  void end_without_record(JobId id, JobState state, Reason reason, const std::string& error_type,
                          const std::string& message);
  void trim_soon();
  /// Adopted workers that run a job which a damaged store has lost: left to finish, and waited for.
  std::vector<Worker*> unknown_work() const;

  asio::io_context& loop_;
  const Config& config_;
  std::string state_dir_;
  Store& store_;
  Waiters& waiters_;
  Workforce* workforce_ = nullptr;
  std::unique_ptr<Callbacks> callbacks_;
  Calls calls_;
  EventLog events_;
  Gates gates_;
  asio::steady_timer due_;
  TaskCalls task_calls_;
  std::map<std::string, std::unique_ptr<Pool>> pools_;
  std::unordered_map<JobId, LiveJob> live_;
  std::unordered_map<JobId, std::vector<UniqueFd>> descriptors_;
  std::map<JobState, std::uint64_t> counts_;  ///< of ended jobs; the unfinished are counted by their phase
  std::map<JobState, std::uint64_t> finished_;
  std::uint64_t submitted_ = 0;
  JobId next_id_ = 1;
  std::uint64_t ended_since_trim_ = 0;
  bool draining_ = false;
  bool zygote_ready_ = false;
  std::string zygote_failure_;
  std::function<void()> any_end_;
  std::function<void(JobId, std::uint32_t)> attempt_end_;
  std::function<void()> zygote_hook_;
};

}  // namespace tine
