#pragma once
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "core/base/result.hpp"

namespace tine {

/// What another thread hands to the loop, in order. asio::post() wakes the loop with its own mutex held,
/// which the loop, woken on the same CPU, then waits for: two changes of thread more for each letter.
class Mailbox {
 public:
  /// Errors: Errc of eventfd(2). It must outlive the loop's last run and the threads that post.
  static Result<std::unique_ptr<Mailbox>> open(asio::io_context& loop);
  void post(std::function<void()> letter);  ///< from any thread; it is called in the loop's

 private:
  explicit Mailbox(asio::io_context& loop, int bell) : bell_(loop, bell) {}
  void listen();
  void read();
  std::mutex door_;
  std::vector<std::function<void()>> letters_;
  asio::posix::stream_descriptor bell_;
};

}  // namespace tine
