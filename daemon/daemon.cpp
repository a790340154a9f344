#include "daemon/daemon.hpp"

#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <asio/signal_set.hpp>
#include <set>

#include "core/base/clock.hpp"
#include "core/process/memory_group.hpp"
#include "daemon/mailbox.hpp"
#include "daemon/server.hpp"
#include "daemon/services.hpp"
#include "daemon/shared_state.hpp"

namespace tine {
namespace {

/// From TERM to KILL when a drain has run out of time: an orchestrator's own grace is nearly over by then.
constexpr double drain_kill_after_s = 1;

class Daemon {
 public:
  Daemon(const Config& config, const DaemonOptions& options, std::unique_ptr<Store> store,
         const Result<std::string>& memory_groups, asio::io_context& loop)
      : loop_(loop),
        config_(config),
        options_(options),
        store_(std::move(store)),
        jobs_(loop_, config, options.state_dir, *store_, waiters_),
        workforce_(loop_,
                   {options.state_dir, options.socket_path, config.modules, options.open_files_soft,
                    config.functions, memory_groups ? *memory_groups : ""},
                   jobs_),
        services_{loop_,
                  config,
                  *store_,
                  jobs_,
                  workforce_,
                  waiters_,
                  options.state_dir,
                  options.socket_path,
                  TINE_VERSION,
                  now_micros(),
                  memory_groups,
                  options.is_supervised,
                  false,
                  {},
                  {},
                  {}},
        server_(services_),
        signals_(loop_, SIGTERM, SIGINT, SIGQUIT),
        children_(loop_, SIGCHLD),
        drain_timer_(loop_) {
    jobs_.use(workforce_);
    services_.stop = [this](StopMode mode, std::optional<double> timeout_s, std::function<void()> done) {
      stop(mode, timeout_s, std::move(done));
    };
    services_.add_end_bell = [this](Bell* bell) { end_bells_.insert(bell); };
    services_.remove_end_bell = [this](Bell* bell) { end_bells_.erase(bell); };
    jobs_.on_any_end([this] { something_ended(); });
  }

  Status run() {
    Status started = jobs_.recover();
    if (started) started = workforce_.start();
    if (!started) return started;
    shared_state_ = std::make_unique<SharedState>(options_.state_dir, options_.socket_path,
                                                  config_.shared_memory_bytes, jobs_.running_attempts());
    jobs_.on_attempt_end(
        [this](JobId id, std::uint32_t attempt) { shared_state_->attempt_ended(id, attempt); });
    jobs_.on_zygote([this, &started] {
      const std::string& failure = jobs_.zygote_failure();
      if (listening_) {
        // One that was replaced. A module may have gone meanwhile: the daemon lives on, and it is tried
        // again.
        if (!failure.empty()) spdlog::error("{}", failure);
        return;
      }
      if (!failure.empty()) started = make_error(Errc::usage, failure);
      if (!started) return loop_.stop();
      listening_ = true;
      started = server_.start();
      if (!started) return loop_.stop();
      if (options_.on_ready) options_.on_ready();
    });
    wait_for_signals();
    reap_children();
    loop_.run();
    services_.is_ending = true;
    server_.stop();
    workforce_.stop(!leaving_jobs_);
    shared_state_.reset();
    store_.reset();  // its thread commits what it was given
    return started;
  }

 private:
  void wait_for_signals() {
    signals_.async_wait([this](const std::error_code& error, int signal) {
      if (error) return;
      spdlog::info("{}: ending", signal_name(signal));
      if (signal == SIGQUIT)
        stop(StopMode::leave_jobs, {}, {});
      else if (signal == SIGINT && stopping_)
        stop(StopMode::now, {}, {});
      else if (!stopping_)
        stop(StopMode::drain, config_.drain_timeout_s, {});
      wait_for_signals();
    });
  }

  /// Zygotes that died, and what they left to this subreaper: their ends are heard of elsewhere.
  void reap_children() {
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    children_.async_wait([this](const std::error_code& error, int) {
      if (!error) reap_children();
    });
  }

  void stop(StopMode mode, std::optional<double> timeout_s, std::function<void()> done) {
    stopping_ = true;
    if (done) stopped_.push_back(std::move(done));
    jobs_.drain();
    if (mode == StopMode::leave_jobs) {
      leaving_jobs_ = true;
      return finish();
    }
    if (mode == StopMode::now) jobs_.cancel_running(0);
    if (timeout_s) {
      drain_timer_.expires_after(std::chrono::duration_cast<std::chrono::steady_clock::duration>(
          std::chrono::duration<double>(*timeout_s)));
      drain_timer_.async_wait([this](const std::error_code& error) {
        if (!error) jobs_.cancel_running(drain_kill_after_s);
      });
    }
    something_ended();
  }

  void something_ended() {
    for (Bell* bell : end_bells_) bell->ring();
    if (stopping_ && jobs_.is_idle()) finish();
  }

  /// Once, after what is on its way to clients has been handed over.
  void finish() {
    if (std::exchange(finished_, true)) return;
    asio::post(loop_, [this] {
      for (auto& done : stopped_) done();
      asio::post(loop_, [this] { loop_.stop(); });
    });
  }

  asio::io_context& loop_;
  const Config& config_;
  const DaemonOptions& options_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<SharedState> shared_state_;
  Waiters waiters_;
  Jobs jobs_;
  Workforce workforce_;
  Services services_;
  Server server_;
  asio::signal_set signals_;
  asio::signal_set children_;
  asio::steady_timer drain_timer_;
  std::set<Bell*> end_bells_;
  std::vector<std::function<void()>> stopped_;
  bool listening_ = false;
  bool stopping_ = false;
  bool leaving_jobs_ = false;
  bool finished_ = false;
};

}  // namespace

Status run_daemon(const Config& config, const DaemonOptions& options) {
  // Orphans of a zygote that died come here, not to a stranger.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  // Outlives the daemon: what its fibers and timers still hold is freed with the process.
  auto loop = std::make_unique<asio::io_context>(1);
  auto mailbox = Mailbox::open(*loop);
  if (!mailbox) return mailbox.error();
  auto store = Store::open(options.state_dir, config.durability,
                           [to = mailbox->get()](std::function<void()> work) { to->post(std::move(work)); });
  if (!store) return store.error();
  if (!(*store)->missing().empty()) spdlog::error("{}", (*store)->missing());
  mailbox->release();
  const auto memory_groups = claim_memory_groups();
  if (memory_groups)
    spdlog::info("max_memory bounds a job as a whole, by a cgroup in {}", *memory_groups);
  else
    spdlog::debug("max_memory bounds each process of a job: {}", memory_groups.error().message());
  auto* daemon = new Daemon(config, options, std::move(*store), memory_groups, *loop.release());
  return daemon->run();
}

}  // namespace tine
