#pragma once
#include <poll.h>
#include <signal.h>

namespace tine {

/// Wakes a poll loop when a child has ended, by SIGCHLD, which comes in only there. A pidfd of each child
/// would cost the parent of short commands more than all else that it does. One a process.
class ChildBell {
 public:
  ChildBell();
  ~ChildBell();
  ChildBell(const ChildBell&) = delete;
  ChildBell& operator=(const ChildBell&) = delete;

  /// poll(2); EINTR where a child has ended since the last one, too.
  int poll(pollfd* watched, nfds_t count, int timeout_ms) const;

  /// While it lives the signal is as all programs expect it: for code that is not ours, and what that starts.
  class Off {
   public:
    explicit Off(const ChildBell& bell);
    ~Off();
    Off(const Off&) = delete;
    Off& operator=(const Off&) = delete;

   private:
    const ChildBell& bell_;
  };

 private:
  void set() const;
  void unset() const;
  sigset_t open_;  ///< the mask before, with SIGCHLD let in
  struct sigaction before_;
};

}  // namespace tine
