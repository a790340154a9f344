#pragma once
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <optional>
#include <unordered_map>
#include <vector>

#include "core/coroutine/fiber.hpp"
#include "core/job/job.hpp"

namespace tine {

/// A fiber's place to sleep until something is told, or a deadline passes.
class Bell {
 public:
  explicit Bell(asio::io_context& loop) : loop_(loop) {}
  /// Parks. true: it was rung (also before the call); false: the deadline passed.
  bool wait(std::optional<std::chrono::steady_clock::time_point> deadline = {});
  /// The sleeper goes on soon, from the loop.
  void ring();
  /// It goes on at once, inside of this call, if it sleeps without a deadline: a turn of the loop less.
  void ring_through();

 private:
  asio::io_context& loop_;
  Fiber* sleeper_ = nullptr;                 ///< without a deadline
  std::optional<asio::steady_timer> timer_;  ///< of one with a deadline
  bool rung_ = false;
};

/// Who waits for which job's end. An entry lives as long as its Waiting.
class Waiters {
 public:
  /// One fiber's wait for any number of jobs.
  class Waiting {
   public:
    Waiting(Waiters& waiters, asio::io_context& loop) : bell(loop), waiters_(waiters) {}
    ~Waiting();
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;
    void add(JobId id);

    std::deque<JobId> started;  ///< in the order of the starts, if anybody looks
    std::deque<JobId> ended;    ///< stored ends, in order
    Bell bell;

   private:
    Waiters& waiters_;
    std::vector<JobId> ids_;
  };

  void job_started(JobId id);
  void job_ended(JobId id);

 private:
  std::unordered_multimap<JobId, Waiting*> by_job_;
};

}  // namespace tine
