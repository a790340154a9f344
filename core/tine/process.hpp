#pragma once
#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace tine {

namespace process_detail {

/// What the child runs, its class forgotten.
struct Body {
  virtual ~Body() = default;
  virtual void run() = 0;
};

template <class F, class... Args>
struct BodyOf final : Body {
  template <class G, class... Given>
  explicit BodyOf(G&& f, Given&&... given)
      : function(std::forward<G>(f)), args(std::forward<Given>(given)...) {}
  void run() override {
    if constexpr (std::is_invocable_v<F, Args...>)
      std::apply(std::move(function), std::move(args));
    else
      std::apply(function, args);  // it takes a reference: to the child's own copy
  }
  F function;
  std::tuple<Args...> args;
};

struct State;

}  // namespace process_detail

/// A function in a process of its own, as Python's multiprocessing.Process.
///
///   tine::Process p(foo, 1);  // any callable: a function, a lambda with captures
///   p.start();                // forked here; the child has its own copy of everything
///   p.join();
///
/// What the child changes the parent does not see, but for memory that is shared (<tine/shared.hpp>): that
/// changes at once. The child leaves by _exit(2) after flushing stdio and iostream: no static destructors.
/// An exception that leaves the function is told on stderr; the exit code is 1 then. Its return value is
/// dropped. Errors: std::system_error from fork and pidfd; std::logic_error for a wrong order of calls.
/// One object is for one thread at a time, but terminate(), kill() and is_alive() may come from any.
class Process {
 public:
  template <class F, class... Args>
  requires(!std::is_same_v<std::remove_cvref_t<F>, Process> &&
           (std::is_invocable_v<std::decay_t<F>, std::decay_t<Args>...> ||
            std::is_invocable_v<std::decay_t<F>&, std::decay_t<Args>&...>)) explicit Process(F&& f,
                                                                                             Args&&... args)
      : Process(std::make_unique<process_detail::BodyOf<std::decay_t<F>, std::decay_t<Args>...>>(
            std::forward<F>(f), std::forward<Args>(args)...)) {}
  Process(Process&&) noexcept;
  Process& operator=(Process&&) noexcept;
  /// Joins; a daemon() is terminated first: SIGTERM, and SIGKILL 5 seconds later.
  ~Process();

  void start();  ///< once
  void join();
  /// Whether it has ended within the time.
  template <class Rep, class Period>
  bool join(std::chrono::duration<Rep, Period> timeout) {
    // Beyond a year is for ever; it keeps the conversion from overflowing.
    if (timeout > std::chrono::hours(24 * 365)) return join(), true;
    return join_for(std::chrono::ceil<std::chrono::nanoseconds>(timeout));
  }
  void terminate();   ///< SIGTERM; nothing happens when it has ended
  void kill();        ///< SIGKILL
  bool is_alive();    ///< false before start()
  pid_t pid() const;  ///< 0 before start()
  void daemon(bool yes);
  bool daemon() const;
  /// Nothing before start() and while it runs. -N: signal N ended it. Nothing also when the program took the
  /// status away, by ignoring SIGCHLD or waiting for any child.
  std::optional<int> exitcode();

 private:
  explicit Process(std::unique_ptr<process_detail::Body> body);
  bool join_for(std::chrono::nanoseconds timeout);
  std::unique_ptr<process_detail::State> state_;
};

}  // namespace tine
