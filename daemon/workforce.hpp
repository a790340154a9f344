#pragma once
#include <asio/io_context.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/coroutine/timer_heap.hpp"
#include "core/pool/call_duty.hpp"
#include "core/pool/spool.hpp"
#include "core/pool/worker_protocol.hpp"
#include "daemon/frame_link.hpp"

namespace tine {

/// A duty whose session is gone; its worker comes back, or dies.
inline constexpr std::uint64_t abandoned_duty = ~std::uint64_t{0};

/// Who sits at a place of a coroutine worker.
struct WorkerTask {
  JobId job = 0;  ///< a job; or
  std::uint32_t attempt = 0;
  std::uint64_t session = 0;  ///< a call of this session. Both 0: the place is free
  std::uint64_t index = 0;    ///< of the session's calls
  std::string function;
  bool is_free() const { return job == 0 && session == 0; }
};

/// "function foo (job 7)"; of an earlier daemon's job the function is not known.
std::string name_of(const WorkerTask& task);

/// One worker as the daemon knows it.
struct Worker {
  WorkerSeat seat;
  std::int32_t pid = 0;
  std::unique_ptr<Spool> spool;     ///< null until its first hello
  std::shared_ptr<FrameLink> link;  ///< null while it is away (a worker of an earlier daemon that re-dials)
  bool is_ours = true;      ///< forked by the zygote of this daemon that still lives, which reports its death
  bool is_leaving = false;  ///< gets nothing more to do
  JobId job = 0;            ///< what it holds; 0: idle, or between two of its line
  std::uint32_t attempt = 0;
  OrderKind kind = OrderKind::job;
  /// Ordered and, as far as is known, not begun: what it goes on with by itself.
  std::deque<StartOrder> line;
  std::shared_ptr<const std::string> environment;  ///< of the last order, which the next one may go without
  std::uint32_t next_place = 0;                    ///< of an offer, in turn
  std::uint64_t done_at_look = 0;                  ///< jobs_done, when its line was looked at last
  bool is_slow = false;                            ///< what it runs takes long: it is given nothing ahead
  std::uint64_t duty = 0;                          ///< the call session that it answers; 0: none
  bool is_announced = false;                       ///< its start was told
  bool did_job_last = false;                       ///< jobs and calls take turns
  std::uint64_t seq_seen = 0;                      ///< of the last record taken from it
  std::uint64_t seq_stored = 0;                    ///< the store has the records up to it, all of them
  std::set<std::uint64_t> stored_ahead;            ///< stored, while an earlier one is still tried again
  std::uint64_t jobs_done = 0;
  std::unique_ptr<asio::posix::stream_descriptor> death;  ///< its pidfd, where no zygote reports

  // A coroutine worker has places instead of one job or duty.
  std::vector<WorkerTask> tasks;           ///< by place; empty: it is none
  std::vector<std::uint32_t> free_places;  ///< of these
  std::uint64_t turn = 0;                  ///< of its pulse, as it was last seen,
  Instant turn_since = 0;                  ///< and since when it is the same
  bool turn_is_told = false;               ///< that it lasts too long is in the log
  /// Who holds it up now, for longer than a call should without giving way; nullptr: nobody.
  const WorkerTask* hog() const;

  bool is_coroutine() const { return !tasks.empty(); }
  void make_places();  ///< as its seat says, all free
  bool runs(JobId wanted) const;
  bool is_busy() const { return job != 0 || !line.empty() || duty != 0 || free_places.size() < tasks.size(); }
  /// How much more it can be given.
  std::size_t room() const {
    if (!link || is_leaving) return 0;
    return is_coroutine() ? free_places.size() : is_busy() ? 0 : 1;
  }
  bool is_free() const { return room() > 0; }
};

/// Keeps the zygote and its workers alive, and talks to each. Knows nothing of what a job means.
class Workforce {
 public:
  /// What the owner hears. All on the loop's thread.
  struct Listener {
    virtual ~Listener() = default;
    virtual void worker_is_free(Worker& worker) = 0;
    /// It has begun the next job of its line, which is worker.job now. Comes before the job's end.
    virtual void worker_began(Worker& worker) = 0;
    /// A worker will not begin these of its line, which are in their order.
    virtual void line_returned(std::vector<StartOrder> orders) = 0;
    /// It has left the call ring that it served.
    virtual void worker_left_duty(Worker& worker) = 0;
    /// It is dismissed in the middle of its duty.
    virtual void worker_is_wanted_back(Worker& worker) = 0;
    virtual void worker_ended(Worker& worker, OrderKind kind, std::uint64_t seq,
                              const std::string& outcome) = 0;
    /// The process and all it ran are gone, its records have been delivered. `unwitnessed`: what it had begun
    /// and left no record of; `returned`: what it had been offered and not begun, its line aside. The worker
    /// is forgotten afterwards, but its spool, the only witness of what is unwitnessed, stays until stored()
    /// was called with worker.seq_seen: without it the next daemon would take the job for one that never
    /// began.
    virtual void worker_died(Worker& worker, std::optional<Spool::Offer> unwitnessed,
                             std::optional<Spool::Offer> returned) = 0;
    /// A coroutine worker's call has ended: answered, or `died` with it.
    virtual void task_answered(const WorkerTask& task, CallAnswer answer) = 0;
    /// A coroutine worker that is dead had begun it, and left no record; to be stored() under this seq. Comes
    /// before its worker_died.
    virtual void task_died(Worker& worker, const Spool::Offer& begun, std::uint64_t seq) = 0;
    /// It was ordered, and the worker died without having begun it.
    virtual void task_returned(JobId job) = 0;
    /// The first time, or after the zygote was replaced: workers can be hired again.
    virtual void zygote_is_ready() = 0;
    /// A module cannot be loaded, or the zygote cannot be started.
    virtual void zygote_failed(const std::string& why) = 0;
  };

  Workforce(asio::io_context& loop, ZygoteSetup setup, Listener& listener);
  ~Workforce();

  /// Starts the zygote and listens on workers.sock. Errors: what bind and posix_spawn give.
  Status start();
  bool is_ready() const { return ready_; }
  const std::set<std::string>& functions() const { return functions_; }

  /// Forks a worker for this seat; it reports as free. Needs is_ready(). `tasks`: as in WorkerSeat.
  Worker& hire(const std::string& pool, std::uint32_t slot, std::uint32_t tasks = 0);
  /// A worker of an earlier daemon: from its spool. It may be dead already; then worker_died follows from
  /// settle().
  Worker* adopt(const std::string& key);
  void settle(Worker& worker);

  void order(Worker& worker, StartOrder order, std::vector<UniqueFd> descriptors);
  /// Further jobs for a worker that runs one, in the order in which it shall begin them: what it ends soon
  /// costs no wake of the daemon then. They come back where what it runs takes long.
  void order_ahead(Worker& worker, std::vector<StartOrder> orders);
  static constexpr std::size_t line_max = 12;  ///< below Spool::line_places, as the one that runs has one
  /// Decides for each job of its line whether it was begun or comes back, by a compare-and-swap.
  void take_line_back(Worker& worker);
  /// A free worker answers what lies in the ring, until it is let go. The descriptors stay the caller's;
  /// `errors` may be -1.
  void serve_calls(Worker& worker, const CallDuty& duty, const std::vector<int>& ring, int errors);
  void cancel(Worker& worker, double kill_after_s);
  /// A coroutine worker with room gets the call, at the place that is returned.
  std::uint32_t call(Worker& worker, TaskCall call);
  void end_call(Worker& worker, std::uint32_t place, std::uint64_t session);  ///< unwinds it
  void cancel_task(Worker& worker, JobId job);                                ///< the same of a job
  void signal(Worker& worker, int signal);
  /// Stops what it runs, or lets it go on; of a function the worker itself.
  void pause(Worker& worker, bool paused, bool is_function);
  void kill(Worker& worker);     ///< SIGKILL to the worker itself
  void dismiss(Worker& worker);  ///< it ends when it is idle and the store has its records
  /// The store has this record of this worker. To be called once for each that was delivered, in any order.
  void stored(const std::string& key, std::uint64_t seq);

  const std::map<std::string, std::unique_ptr<Worker>>& workers() const { return workers_; }
  std::int32_t zygote_pid() const { return zygote_pid_; }
  std::uint64_t hired() const { return hired_; }  ///< since this daemon's start
  std::uint64_t died() const { return died_; }    ///< of all, those that nobody had dismissed
  /// Hangs up on all, and waits up to two seconds for the zygote when `wait` is set. Nothing is reported any
  /// more.
  void stop(bool wait);

 private:
  Status listen();
  void accept();
  void welcome(FrameLink::Socket socket);
  void watch_socket();
  // The zygote: workforce_zygote.cpp.
  Status spawn_zygote();
  void zygote_frame(FrameType type, std::string_view payload);
  void zygote_closed();
  void worker_said_hello(const std::shared_ptr<FrameLink>& link, std::string_view payload);
  void worker_frame(const std::string& key, FrameType type, std::string_view payload);
  void watch_death(Worker& worker);
  /// Hands on the records that were not seen yet; true: one of all that lie there is the end of this offer.
  bool deliver_records(Worker& worker, const Spool::Offer& offer);
  void kill_what_is_left(Worker& worker, JobId job);
  void forget_files(const std::string& key);
  void tell_stored(Worker& worker);
  /// Makes the offer; its frame, to be sent.
  std::string offer(Worker& worker, StartOrder& order);
  void take_record(Worker& worker, OrderKind kind, std::uint64_t seq, const std::string& outcome);
  void look_at_line(Worker& worker);
  void watch_lines();
  /// To the worker that runs this job, when it is back; not to one that has ended it meanwhile.
  void tell(Worker& worker, FrameType type, JobId job, std::string payload);
  static void signal_worker(const Worker& worker, int signal);
  // Of coroutine workers: workforce_tasks.cpp.
  std::uint32_t take_place(Worker& worker, WorkerTask task);
  void free_place(Worker& worker, std::uint32_t place);
  void free_place_of(Worker& worker, JobId job);
  void task_answered(Worker& worker, std::string_view payload);
  void settle_living_tasks(Worker& worker);
  void settle_dead_tasks(Worker& worker);
  void watch_pulses();
  bool look_at_pulse(Worker& worker);

  asio::io_context& loop_;
  ZygoteSetup setup_;
  Listener& listener_;
  asio::local::stream_protocol::acceptor acceptor_;
  asio::steady_timer socket_check_;
  asio::steady_timer respawn_;
  asio::steady_timer pulse_check_;
  asio::steady_timer line_check_;
  bool lines_are_watched_ = false;
  bool pulses_are_watched_ = false;
  std::shared_ptr<FrameLink> zygote_;
  std::int32_t zygote_pid_ = 0;
  bool ready_ = false;
  bool was_ready_ = false;
  bool stopping_ = false;
  std::uint64_t inode_ = 0;
  std::uint64_t hired_ = 0, died_ = 0;
  std::string key_prefix_;
  std::set<std::string> functions_;
  std::map<std::string, std::unique_ptr<Worker>> workers_;
  /// Dead ones whose last records the store does not have yet: their spool files stay until then.
  std::map<std::string, std::unique_ptr<Worker>> departed_;
};

}  // namespace tine
