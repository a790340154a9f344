#pragma once
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/pool/call_duty.hpp"
#include "daemon/held_calls.hpp"
#include "daemon/workforce.hpp"

namespace tine {

/// Calls of one client that travel through a ring in shared memory to the workers that do duty there.
class CallSession final : public HeldCalls {
 public:
  struct Plan {
    CallDuty duty;               ///< without id, seat and pool's slot
    std::uint32_t parallel = 1;  ///< workers at once, at most
    UniqueFd errors;             ///< the client's stderr, where it gave it
    bool lingers = false;        ///< without calls it is as good as closed: nobody waits for its end
  };
  CallSession(asio::io_context& loop, Workforce& workforce, Plan plan, std::uint64_t id, CallRing ring,
              std::function<void()> want);
  ~CallSession() override;

  void start(std::function<void(std::vector<Answer>)> on_answers) override;
  std::uint64_t add(std::string call, std::uint64_t deadline_ns) override {
    waiting_.push_back({std::move(call), deadline_ns});
    return next_ + waiting_.size() - 1;
  }
  /// One that runs costs its worker.
  void give_up(std::uint64_t index) override;
  void go_on() override;
  void pause() override { paused_ = true; }
  bool is_paused() const override { return paused_; }

  std::uint64_t id() const { return id_; }
  const std::string& pool() const { return plan_.duty.pool; }
  bool wants_workers() const;
  bool is_idle() const { return plan_.lingers && unanswered() == 0; }
  std::size_t unanswered() const override { return waiting_.size() + offered_; }

  void engage(Worker& worker);
  /// The worker has left the ring, or died (`why`, not empty).
  void released(Worker& worker, const std::string& why);
  void recall(const Worker& worker);
  /// Lets one worker go that has done duty for long enough; false: there is none yet.
  bool recall_one(std::chrono::steady_clock::time_point engaged_before);
  void recall_all();

 private:
  struct Seat {
    Worker* worker = nullptr;
    std::chrono::steady_clock::time_point since;
    bool recalled = false;
  };
  void watch_bell();
  void collect();
  void pump();
  Seat* seat_of(const Worker& worker);

  Workforce& workforce_;
  Plan plan_;
  std::uint64_t id_;
  CallRing ring_;
  AdaptiveSpin spin_;
  asio::posix::stream_descriptor bell_;
  std::vector<Seat> seats_;
  struct Waiting {
    std::string text;
    std::uint64_t deadline_ns;
  };
  std::deque<Waiting> waiting_;
  std::vector<std::uint64_t> index_of_slot_;
  std::function<void()> want_;
  std::uint64_t next_ = 0;   ///< index of the first that waits
  std::size_t offered_ = 0;  ///< and not answered
  bool paused_ = false;
  std::function<void(std::vector<Answer>)> on_answers_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

/// Removes what calls of an earlier daemon have left in `<state dir>/output`.
void forget_call_outputs(const std::string& state_dir);

/// All sessions, and which worker does duty for which.
class Calls {
 public:
  explicit Calls(asio::io_context& loop) : loop_(loop) {}
  void use(Workforce& workforce) { workforce_ = &workforce; }
  /// Rung when a session of this pool has something for workers to do.
  void on_want(std::function<void(const std::string& pool)> hook) { want_ = std::move(hook); }

  void on_any_end(std::function<void()> hook) { any_end_ = std::move(hook); }

  /// Errors: no memory or descriptors for the ring.
  Result<std::shared_ptr<CallSession>> open(CallSession::Plan plan);
  void end_all();
  bool is_empty() const { return sessions_.empty(); }
  /// No call is unanswered, and no map unfinished.
  bool is_idle() const;
  void has_become_idle() {
    if (any_end_) any_end_();
  }

  bool wants_workers(const std::string& pool) const;
  /// A free worker of the pool: true, it does duty from now on.
  bool take(Worker& worker);
  void duty_done(Worker& worker);
  void worker_died(Worker& worker);
  void recall(const Worker& worker);
  /// Jobs wait: a worker that has done duty for a while is let go. True: look again later, for another.
  bool recall_one(const std::string& pool);

 private:
  asio::io_context& loop_;
  Workforce* workforce_ = nullptr;
  std::function<void(const std::string&)> want_;
  std::function<void()> any_end_;
  std::map<std::uint64_t, std::shared_ptr<CallSession>> sessions_;
  std::map<std::string, std::uint64_t> last_served_;  ///< session, by pool
  std::uint64_t last_id_ = 0;
};

}  // namespace tine
