#include "daemon/event_log.hpp"

#include <spdlog/spdlog.h>

#include <memory>
#include <utility>

#include "core/base/clock.hpp"

namespace tine {
namespace {

/// Jobs that end sooner take their start along to the disk.
constexpr std::chrono::milliseconds gather_for(10);
constexpr std::chrono::milliseconds retry_after(1000);  ///< a disk that is full

}  // namespace

void EventLog::note(std::string type, JobId job, std::string detail) {
  told_.push_back({{0, now_micros(), std::move(type), job, std::move(detail)}, 0});
  store_soon(gather_for);
}

void EventLog::note_start(JobId job, std::uint32_t attempt, Micros time) {
  note_start_with_end(job, attempt, time);
  told_.back().marks_attempt = attempt;
  store_soon(gather_for);
}

void EventLog::note_start_with_end(JobId job, std::uint32_t attempt, Micros time) {
  told_.push_back({{0, time, "job.started", job, "\"attempt\":" + std::to_string(attempt)}, 0});
}

std::vector<EventLog::Told> EventLog::take() { return std::exchange(told_, {}); }

Status EventLog::write(JobTable& table, const std::vector<Told>& told) {
  for (const auto& [event, attempt] : told) {
    if (attempt != 0)
      if (auto status = table.mark_start(event.job, attempt); !status) return status;
    if (auto status = table.add_event(event); !status) return status;
  }
  return ok();
}

void EventLog::stored() {
  for (Bell* bell : followers_) bell->ring();
}

void EventLog::store_soon(std::chrono::milliseconds after) {
  if (std::exchange(is_armed_, true)) return;
  timer_.expires_after(after);
  timer_.async_wait([this](const std::error_code& error) {
    is_armed_ = false;
    if (error || told_.empty()) return;
    auto told = std::make_shared<std::vector<Told>>(take());
    store_.submit([told](JobTable& table) { return write(table, *told); },
                  [this, told](Status status) {
                    if (status) return stored();
                    spdlog::error("events: {}; trying again", status.error().message());
                    told_.insert(told_.begin(), told->begin(), told->end());
                    store_soon(retry_after);
                  },
                  Haste::may_wait);
  });
}

}  // namespace tine
