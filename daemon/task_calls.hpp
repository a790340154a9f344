#pragma once
#include <asio/io_context.hpp>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "daemon/held_calls.hpp"
#include "daemon/workforce.hpp"

namespace tine {

/// Calls of one client to functions in a coroutine pool: each goes to a worker's place by itself, so that it
/// can be ended without harm to others.
class TaskSession final : public HeldCalls, public std::enable_shared_from_this<TaskSession> {
 public:
  struct Plan {
    std::string pool;
    std::string function;
    bool is_text = false, is_star = false;  ///< as in a TaskCall
    std::size_t parallel = 1;               ///< calls at once, at most
    bool lingers = false;  ///< without calls it is as good as closed: nobody waits for its end
  };

  TaskSession(asio::io_context& loop, Workforce& workforce, Plan plan, std::uint64_t id,
              std::function<void()> want)
      : loop_(loop), workforce_(workforce), plan_(std::move(plan)), id_(id), want_(std::move(want)) {}

  void start(std::function<void(std::vector<Answer>)> on_answers) override;
  /// The daemon gives the calls out, and nobody asks it for one whose time is over: give_up() is enough.
  std::uint64_t add(std::string call, std::uint64_t) override {
    waiting_.push_back({std::move(call)});
    return next_ + waiting_.size() - 1;
  }
  void give_up(std::uint64_t index) override;
  void go_on() override;
  void pause() override { paused_ = true; }
  bool is_paused() const override { return paused_; }
  std::size_t unanswered() const override { return waiting_.size() + running_.size() + answers_.size(); }

  std::uint64_t id() const { return id_; }
  const std::string& pool() const { return plan_.pool; }
  bool is_idle() const { return plan_.lingers && unanswered() == 0; }
  bool wants_place() const { return !paused_ && !waiting_.empty() && running_.size() < plan_.parallel; }
  /// The first that waits, to a worker that has a place.
  void give(Worker& worker);
  void answered(std::uint64_t index, CallAnswer answer);
  /// Ends what runs, and gives no more answers.
  void cut();

 private:
  struct Waiting {
    std::string text;
    bool is_given_up = false;
  };
  void drop_given_up();
  struct At {
    Worker* worker;
    std::uint32_t place;
  };
  asio::io_context& loop_;
  Workforce& workforce_;
  Plan plan_;
  std::uint64_t id_;
  std::function<void()> want_;
  std::function<void(std::vector<Answer>)> on_answers_;
  std::deque<Waiting> waiting_;  ///< whose first is not given up
  std::unordered_map<std::uint64_t, At> running_;
  std::vector<Answer> answers_;  ///< to be told together
  std::uint64_t next_ = 0;       ///< index of the first that waits
  bool paused_ = false, cut_ = false;
};

/// All such sessions.
class TaskCalls {
 public:
  explicit TaskCalls(asio::io_context& loop) : loop_(loop) {}
  void use(Workforce& workforce) { workforce_ = &workforce; }
  /// Rung when a session of this pool has a call for a place.
  void on_want(std::function<void(const std::string& pool)> hook) { want_ = std::move(hook); }
  void on_any_end(std::function<void()> hook) { any_end_ = std::move(hook); }

  std::shared_ptr<TaskSession> open(TaskSession::Plan plan);
  void end_all();
  bool is_empty() const { return sessions_.empty(); }
  /// No call is unanswered, and no map unfinished.
  bool is_idle() const;

  bool wants_place(const std::string& pool) const;
  /// One call of the session whose turn it is, to a worker that has a place; false: none wants it.
  bool give_one(Worker& worker);
  void answered(std::uint64_t session, std::uint64_t index, CallAnswer answer);

 private:
  asio::io_context& loop_;
  Workforce* workforce_ = nullptr;
  std::function<void(const std::string&)> want_;
  std::function<void()> any_end_;
  std::map<std::uint64_t, std::shared_ptr<TaskSession>> sessions_;
  std::uint64_t last_served_ = 0;
  std::uint64_t last_id_ = 0;
};

}  // namespace tine
