#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include "core/base/bytes.hpp"
#include "core/process/spawn.hpp"
#include "daemon/log_pipe.hpp"
#include "daemon/workforce.hpp"

/// The zygote, and the workers it is asked for.
namespace tine {
namespace {

using namespace std::chrono_literals;

constexpr auto respawn_delay = 100ms;
constexpr auto failed_respawn_delay = 1000ms;  ///< for one that never came to be ready

}  // namespace

Status Workforce::spawn_zygote() {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
    return errno_error("make a socket pair");
  const UniqueFd theirs(pair[1]);
  FrameLink::Socket ours(loop_, asio::local::stream_protocol(), pair[0]);
  auto pid = spawn_self({"tined", "--zygote", std::to_string(theirs.get())}, {theirs.get()}, NewSession::yes);
  if (!pid) return pid.error();
  zygote_pid_ = *pid;
  zygote_ = std::make_shared<FrameLink>(std::move(ours));
  zygote_->start([this](FrameType type, std::string_view payload) { zygote_frame(type, payload); },
                 [this] { zygote_closed(); });
  zygote_->send(FrameType::setup, encode(setup_));
  return ok();
}

void Workforce::zygote_frame(FrameType type, std::string_view payload) {
  ByteReader in(payload);
  if (type == FrameType::ready) {
    functions_.clear();
    for (auto& name : in.strings()) functions_.insert(std::move(name));
    ready_ = was_ready_ = true;
    listener_.zygote_is_ready();
  } else if (type == FrameType::setup_failed) {
    listener_.zygote_failed(in.string());
  } else if (type == FrameType::forked || type == FrameType::gone) {
    const std::string key = in.string();
    const auto pid = in.number<std::int32_t>();
    const auto found = workers_.find(key);
    if (found == workers_.end()) return;
    if (type == FrameType::forked && pid > 0) {
      found->second->pid = pid;
    } else {
      if (type == FrameType::forked) spdlog::error("cannot fork a worker: {}", in.string());
      settle(*found->second);
    }
  }
}

void Workforce::zygote_closed() {
  const bool was_up = std::exchange(ready_, false);
  if (stopping_) return;
  spdlog::warn("the zygote (pid {}) died; starting another", zygote_pid_);
  // Its workers live on; nobody reports their deaths now, and orphans of theirs reach nobody: retire them
  // when idle.
  std::vector<Worker*> never_came;
  for (auto& [key, worker] : workers_) {
    if (!worker->is_ours) continue;
    worker->is_ours = false;
    dismiss(*worker);
    if (worker->spool)
      watch_death(*worker);
    else
      never_came.push_back(worker.get());
  }
  for (Worker* worker : never_came) settle(*worker);
  if (!was_ready_) return listener_.zygote_failed("it ended while it loaded the modules");
  respawn_.expires_after(was_up ? respawn_delay : failed_respawn_delay);
  respawn_.async_wait([this](const std::error_code& error) {
    if (error || stopping_) return;
    if (auto status = spawn_zygote(); !status) {
      spdlog::error("zygote: {}", status.error().message());
      zygote_closed();
    }
  });
}

Worker& Workforce::hire(const std::string& pool, std::uint32_t slot, std::uint32_t tasks) {
  auto worker = std::make_unique<Worker>();
  worker->seat = {key_prefix_ + std::to_string(++hired_), pool, slot, tasks};
  Worker& hired = *worker;
  workers_[hired.seat.key] = std::move(worker);
  std::vector<UniqueFd> descriptors;
  if (tasks > 0) {
    hired.make_places();
    if (auto pipe = open_log_pipe(loop_, "pool " + pool))
      descriptors.push_back(std::move(*pipe));
    else
      spdlog::warn("{}: what pool {} prints is lost", pipe.error().message(), pool);
  }
  zygote_->send(FrameType::fork_worker, encode(hired.seat), std::move(descriptors));
  return hired;
}

}  // namespace tine
