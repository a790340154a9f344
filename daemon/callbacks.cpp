#include "daemon/callbacks.hpp"

#include <spdlog/spdlog.h>

#include "core/base/failpoint.hpp"
#include "daemon/job_rows.hpp"

namespace tine {
namespace {

/// Keepers at once: a callback is short, and must not take the machine from the jobs.
constexpr std::uint32_t keepers_max = 4;

JobSpec callback_spec(const JobSpec& job, double timeout_s) {
  JobSpec spec;
  spec.name = job.name;
  spec.pool = job.pool;
  spec.shell = true;
  spec.argv = {"/bin/sh", "-c", job.callback};
  spec.workdir = job.workdir;
  spec.umask = job.umask;
  spec.environment_extra = job.environment_extra;
  spec.timeout_s = timeout_s;
  spec.kill_after_s = 1;
  return spec;
}

}  // namespace

void Callbacks::add(JobId id) {
  if (running_.contains(id)) return;  // it runs, or its end is on the way to the disk
  waiting_.push_back(id);
  pump();
}

/// The disk is full: it is tried until there is room.
void Callbacks::add_later(JobId id) {
  ++running_[id];
  auto timer = std::make_shared<asio::steady_timer>(loop_, std::chrono::seconds(1));
  timer->async_wait([this, timer, id](const std::error_code& error) {
    if (error) return;
    running_.erase(id);
    add(id);
  });
}

void Callbacks::pump() {
  if (!workforce_->is_ready()) return;
  std::size_t free = 0;
  for (const auto& [key, worker] : workforce_->workers())
    free += worker->seat.pool == pool_name && worker->job == 0 && !worker->is_leaving;
  while (free < waiting_.size() && keepers_ < keepers_max) {
    workforce_->hire(pool_name, next_slot_++);
    ++keepers_;
    ++free;
  }
}

void Callbacks::keeper_is_free(Worker& keeper) {
  if (waiting_.empty()) return workforce_->dismiss(keeper);
  const JobId id = waiting_.front();
  waiting_.pop_front();
  keeper.job = id;  // taken, while the store is asked
  begin(keeper.seat.key, id);
}

void Callbacks::begin(const std::string& keeper_key, JobId id) {
  struct Found {
    std::optional<ipc::JobRow> row;
    std::string environment;
  };
  ++running_[id];
  auto found = std::make_shared<Found>();
  store_.submit(
      [id, found](JobTable& table) -> Status {
        if (auto status = table.callback_begins(id); !status) return status;
        auto row = table.row(id);
        if (!row) return row.error();
        auto environment = table.environment_of(id);
        if (!environment) return environment.error();
        found->row = std::move(*row);
        found->environment = std::move(*environment);
        return ok();
      },
      [this, id, found, keeper_key](Status status) {
        failpoint("callback.intended");
        const auto keeper = workforce_->workers().find(keeper_key);
        const bool gone = keeper == workforce_->workers().end();
        if (!status || !found->row || gone) {
          running_.erase(id);
          if (!status) spdlog::error("callback of job {}: {}", id, status.error().message());
          if (!status) add_later(id);
          if (status && gone) add(id);
          if (!gone) {
            keeper->second->job = 0;
            workforce_->dismiss(*keeper->second);
          }
          return;
        }
        complete_row(*found->row, nullptr, state_dir_);
        StartOrder order;
        order.job = id;
        order.attempt = found->row->callback.attempts;
        order.kind = OrderKind::callback;
        order.spec = encode(callback_spec(found->row->spec, timeout_s_));
        order.environment = std::make_shared<const std::string>(std::move(found->environment));
        order.stdin_bytes = ipc::record_text(*found->row) + "\n";
        workforce_->order(*keeper->second, order, {});
      });
}

void Callbacks::ended(Worker& keeper, std::uint64_t seq, const Outcome& outcome) {
  failpoint("callback.ended");
  const JobId id = outcome.job;
  running_.try_emplace(id, 1);  // one of an earlier daemon, whose keeper has ended
  const bool succeeded = outcome.state == JobState::succeeded;
  std::optional<int> exit_code = outcome.exit_code;
  if (!exit_code && outcome.signal) exit_code = 128 + *outcome.signal;
  if (outcome.state == JobState::timed_out) exit_code = 124;
  store_.submit(
      [id, succeeded, exit_code](JobTable& table) { return table.callback_ends(id, succeeded, exit_code); },
      [this, id, key = keeper.seat.key, seq](Status status) {
        running_.erase(id);
        if (!status) {
          // Its end is not on disk: told again, rather than forgotten.
          spdlog::error("callback of job {}: {}", id, status.error().message());
          add_later(id);
        }
        failpoint("callback.stored");
        workforce_->stored(key, seq);
        if (any_end_) any_end_();
      });
}

void Callbacks::keeper_died(Worker& keeper, std::optional<Spool::Offer> unwitnessed,
                            std::optional<Spool::Offer> returned) {
  const auto unfinished = unwitnessed ? unwitnessed : returned;
  if (keeper.seat.slot < next_slot_ && keepers_ > 0) --keepers_;
  // The store has it as pending, so it is run again whoever dies: no witness is needed.
  if (unwitnessed) workforce_->stored(keeper.seat.key, keeper.seq_seen);
  if (unfinished) {
    running_.erase(unfinished->job);
    add(unfinished->job);
  }
  pump();
}

}  // namespace tine
