#pragma once
#include <signal.h>
#include <sys/types.h>

#include <functional>
#include <string>

namespace tine::test {

/// A forked process that runs `body` and ends with what it returns (an exception: 99). Killed and reaped at
/// the end of its scope. Fork it from a process with one thread.
class Child {
 public:
  explicit Child(const std::function<int()>& body);
  Child(Child&& other) noexcept : pid_(other.pid_) { other.pid_ = -1; }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();
  pid_t pid() const { return pid_; }
  void send(int signal) const { ::kill(pid_, signal); }
  /// Its exit code; 1000 and the signal's number if one ended it.
  int wait();

 private:
  pid_t pid_ = -1;
};

/// A folder of its own, gone at the end of the scope; its path is in $TINE_STATE_DIR until then.
class StateDir {
 public:
  StateDir();
  ~StateDir();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// Runs `body` in a child that is killed at its `n`th step (core/shared/step.hpp). False: it had fewer, and
/// came to its end.
bool killed_at_step(int n, const std::function<void()>& body);

}  // namespace tine::test
