#include "core/process/child_bell.hpp"

#include <time.h>

namespace tine {
namespace {

void do_nothing(int) {}  // but end the poll

}  // namespace

ChildBell::ChildBell() {
  ::sigprocmask(SIG_BLOCK, nullptr, &open_);
  ::sigdelset(&open_, SIGCHLD);
  ::sigaction(SIGCHLD, nullptr, &before_);
  set();
}

ChildBell::~ChildBell() { unset(); }

void ChildBell::set() const {
  struct sigaction action {};
  action.sa_handler = do_nothing;
  ::sigaction(SIGCHLD, &action, nullptr);
  sigset_t child;
  ::sigemptyset(&child);
  ::sigaddset(&child, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &child, nullptr);
}

void ChildBell::unset() const {
  ::sigaction(SIGCHLD, &before_, nullptr);
  ::sigprocmask(SIG_SETMASK, &open_, nullptr);
}

int ChildBell::poll(pollfd* watched, nfds_t count, int timeout_ms) const {
  const timespec timeout{timeout_ms / 1000, timeout_ms % 1000 * 1'000'000L};
  return ::ppoll(watched, count, timeout_ms < 0 ? nullptr : &timeout, &open_);
}

ChildBell::Off::Off(const ChildBell& bell) : bell_(bell) { bell_.unset(); }
ChildBell::Off::~Off() { bell_.set(); }

}  // namespace tine
