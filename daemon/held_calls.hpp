#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "core/pool/call_ring.hpp"

namespace tine {

/// Calls of one client that are held by it, and not stored: gone with the client.
class HeldCalls {
 public:
  struct Answer {
    std::uint64_t index;  ///< of the call, from 0, in the order of add()
    CallAnswer what;
  };

  virtual ~HeldCalls() = default;
  /// `on_answers` is called from the loop with what came, in the order of its coming.
  virtual void start(std::function<void(std::vector<Answer>)> on_answers) = 0;
  /// Gives its index. `deadline_ns`: of the steady clock; it is not begun afterwards. 0: none.
  virtual std::uint64_t add(std::string call, std::uint64_t deadline_ns) = 0;
  /// Nobody waits for this one any more: it is ended, or not begun.
  virtual void give_up(std::uint64_t index) = 0;
  /// Gives the workers what waits, as far as they have places, until pause().
  virtual void go_on() = 0;
  virtual void pause() = 0;
  virtual bool is_paused() const = 0;
  virtual std::size_t unanswered() const = 0;
  /// Nobody wants the answers any more.
  void close() {
    if (auto hook = std::exchange(on_close_, {})) hook();
  }
  void on_close(std::function<void()> hook) { on_close_ = std::move(hook); }
  /// Called when the daemon ends it.
  void on_end(std::function<void()> hook) { on_end_ = std::move(hook); }
  void end() {
    if (on_end_) on_end_();
  }

 private:
  std::function<void()> on_close_, on_end_;
};

}  // namespace tine
