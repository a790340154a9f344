#pragma once
#include <deque>
#include <functional>
#include <map>
#include <string>

#include "daemon/store.hpp"
#include "daemon/workforce.hpp"

namespace tine {

/// Runs `--callback` commands: when the end is stored, outside the pools' slots, in keepers of their own
/// (workers of a hidden pool), the job record on stdin. At least once: one whose end nobody saw is run again
/// with the same event id.
class Callbacks {
 public:
  static constexpr const char* pool_name = "(callbacks)";

  Callbacks(asio::io_context& loop, Store& store, std::string state_dir, double timeout_s)
      : loop_(loop), store_(store), state_dir_(std::move(state_dir)), timeout_s_(timeout_s) {}
  void use(Workforce& workforce) { workforce_ = &workforce; }
  void on_any_end(std::function<void()> hook) { any_end_ = std::move(hook); }

  void add(JobId id);
  /// A living worker of an earlier daemon runs this one.
  void adopt(JobId id) { ++running_[id]; }
  /// Hires keepers as needed; call it when the zygote is ready.
  void pump();

  void keeper_is_free(Worker& keeper);
  void ended(Worker& keeper, std::uint64_t seq, const Outcome& outcome);
  void keeper_died(Worker& keeper, std::optional<Spool::Offer> unwitnessed,
                   std::optional<Spool::Offer> returned);
  std::size_t unfinished() const { return waiting_.size() + running_.size(); }
  std::size_t running() const { return running_.size(); }

 private:
  void begin(const std::string& keeper_key, JobId id);
  void add_later(JobId id);
  asio::io_context& loop_;
  Store& store_;
  std::string state_dir_;
  double timeout_s_;
  Workforce* workforce_ = nullptr;
  std::function<void()> any_end_;
  std::deque<JobId> waiting_;
  std::map<JobId, int> running_;
  std::uint32_t keepers_ = 0;
  std::uint32_t next_slot_ = 0;
};

}  // namespace tine
