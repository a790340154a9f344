#pragma once
#include <asio/steady_timer.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "daemon/calls.hpp"
#include "daemon/services.hpp"

namespace tine {

/// The `call`s of one connection. The first one to a pool opens a session with it, whose workers stay for a
/// little after the last, so that the next finds them awake.
class SingleCalls : public std::enable_shared_from_this<SingleCalls> {
 public:
  explicit SingleCalls(Services& services) : services_(services) {}

  /// Parks until the answer is there. A call that runs when its time is over costs its worker, one that was
  /// not begun is not begun. Errors: Errc::timed_out; Errc::try_later when the daemon ends; of the ring.
  Result<CallAnswer> call(const std::string& pool, std::uint32_t workers, const std::string& function,
                          const std::string& args_json, std::optional<double> timeout_s);
  /// What runs is killed. With the connection, or with the daemon.
  void close();

 private:
  using Clock = std::chrono::steady_clock;
  struct Waiting {
    explicit Waiting(asio::io_context& loop) : bell(loop) {}
    Bell bell;
    std::optional<CallAnswer> answer;
  };
  struct PoolCalls {
    explicit PoolCalls(asio::io_context& loop) : rest(loop) {}
    std::shared_ptr<CallSession> session;
    std::map<std::uint64_t, Waiting*> waiting;  ///< by index; who gave up is not there
    asio::steady_timer rest;                    ///< lets the workers go
    bool is_resting = false;
    Clock::time_point last;
  };

  Result<std::shared_ptr<PoolCalls>> open(const std::string& pool, std::uint32_t workers);
  void take(PoolCalls& calls, std::vector<CallSession::Answer> answers);
  void rest_later(const std::shared_ptr<PoolCalls>& calls);

  Services& services_;
  std::map<std::string, std::shared_ptr<PoolCalls>> pools_;
  bool is_closed_ = false;
};

}  // namespace tine
