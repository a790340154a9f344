#pragma once
#include <asio/steady_timer.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "daemon/held_calls.hpp"
#include "daemon/services.hpp"

namespace tine {

/// The `call`s of one connection. The first one to a pool opens a session with it (in a coroutine pool, to a
/// function of it). A process pool's workers stay there for a little after the last one, so that the next
/// finds them awake.
class SingleCalls : public std::enable_shared_from_this<SingleCalls> {
 public:
  explicit SingleCalls(Services& services) : services_(services) {}

  /// Parks until the answer is there. A call that runs when its time is over costs its worker, one that was
  /// not begun is not begun. Errors: Errc::timed_out; Errc::try_later when the daemon ends; of the ring.
  Result<CallAnswer> call(const Pool& pool, const std::string& function, const std::string& args_json,
                          std::optional<double> timeout_s);
  /// What runs is killed. With the connection, or with the daemon.
  void close();

 private:
  using Clock = std::chrono::steady_clock;
  struct Waiting {
    explicit Waiting(asio::io_context& loop) : bell(loop) {}
    Bell bell;
    std::optional<CallAnswer> answer;
  };
  struct Opened {
    explicit Opened(asio::io_context& loop) : rest(loop) {}
    std::shared_ptr<HeldCalls> session;
    std::shared_ptr<CallSession> at_ring;       ///< the same, in a process pool
    std::map<std::uint64_t, Waiting*> waiting;  ///< by index; who gave up is not there
    asio::steady_timer rest;                    ///< lets the workers go
    bool is_resting = false;
    Clock::time_point last;
  };

  Result<std::shared_ptr<Opened>> open(const Pool& pool, const std::string& function);
  void take(const std::shared_ptr<Opened>& calls, std::vector<HeldCalls::Answer> answers);
  void rest_later(const std::shared_ptr<Opened>& calls);

  Services& services_;
  std::map<std::string, std::shared_ptr<Opened>> opened_;  ///< by pool, in a coroutine pool NUL and function
  bool is_closed_ = false;
};

}  // namespace tine
