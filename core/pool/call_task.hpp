#pragma once
#include <string>

#include "core/coroutine/scheduler.hpp"
#include "core/pool/functions.hpp"

namespace tine {

/// One call of a function in a task of this thread: what can end it early, and what it came to.
class CallTask {
 public:
  enum class End { own, timed_out, cancelled };

  /// Calls the function, in the task that calls this. A time-out or cancel() throws TaskKilled out of what
  /// the function waits in; what it gives back then does not count. `timeout_s` 0: none.
  CallResult run(const Functions::Function& function, const std::string& args_json, double timeout_s);
  /// From anywhere in the thread. One that has not begun does not begin.
  void cancel() { stop(End::cancelled); }
  End end() const { return end_; }

 private:
  struct Deadline : Timer {
    CallTask* call = nullptr;
  };
  void stop(End why);
  CallResult call(const Functions::Function& function, const std::string& args_json) const;

  Party* party_ = nullptr;  ///< while the function runs
  End end_ = End::own;
};

}  // namespace tine
