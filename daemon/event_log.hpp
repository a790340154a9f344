#pragma once
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <set>
#include <string>
#include <vector>

#include "daemon/store.hpp"
#include "daemon/waiters.hpp"

namespace tine {

/// What happened, for `tine events`. A job's submit and its end are stored in the same commit as the change
/// itself; what is only told (a start, a worker, a pool) is gathered here and stored with the next end, or a
/// few milliseconds later.
class EventLog {
 public:
  EventLog(asio::io_context& loop, Store& store) : store_(store), timer_(loop) {}

  void note(std::string type, JobId job, std::string detail = "");
  /// Of a job that runs on: its row is marked too, as another daemon may come to it.
  void note_start(JobId job, std::uint32_t attempt, Micros time);
  /// Of an attempt whose end is stored in the commit that takes this along.
  void note_start_with_end(JobId job, std::uint32_t attempt, Micros time);

  struct Told {
    JobTable::Event event;
    std::uint32_t marks_attempt = 0;  ///< not 0: the job's row says from then on that its start is told
  };
  /// What waits to be stored, for who stores something anyway.
  std::vector<Told> take();
  static Status write(JobTable& table, const std::vector<Told>& told);

  /// New events are on disk: rings who follows.
  void stored();
  void add_follower(Bell* bell) { followers_.insert(bell); }
  void remove_follower(Bell* bell) { followers_.erase(bell); }

 private:
  void store_soon(std::chrono::milliseconds after);
  Store& store_;
  asio::steady_timer timer_;
  bool is_armed_ = false;
  std::vector<Told> told_;
  std::set<Bell*> followers_;
};

}  // namespace tine
