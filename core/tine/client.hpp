#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <tine/errors.hpp>
#include <tine/timeout_error.hpp>
#include <utility>
#include <vector>

/// tined's client for C++ programs.
///
///   tine::Client c;
///   std::uint64_t id = c.submit({"make", "test"});
///   tine::Json record = c.wait(id);                 // the job record, as `tine show` prints it
///   c.submit_spec({{"shell", "date"}, {"name", "now"}, {"timeout", "5s"}});
///   tine::Json sum = c.call("add", 1, 2);           // a function, now, in a worker; not stored
///
/// A Client is one connection: use it from one thread at a time.
namespace tine {

using Json = nlohmann::json;

/// There is no daemon, or it has refused. what() says why, in one line.
class DaemonError : public std::runtime_error {
 public:
  DaemonError(int exit_code, const std::string& message)
      : std::runtime_error(message), exit_code_(exit_code) {}
  /// What `tine` would have exited with: 69 no daemon, or lost in the middle of the request; 75 refused for
  /// now (pool closed, the daemon is ending); 2 a wrong value; 1 there is no such job; 77 not permitted.
  int exit_code() const { return exit_code_; }

 private:
  int exit_code_;
};

class Client {
 public:
  /// Connects as `tine` does: to $TINE_SOCKET, else tine.sock in $TINE_STATE_DIR, else in this uid's default
  /// state dir. It starts no daemon. Throws DaemonError (69) when none listens.
  Client();
  explicit Client(const std::string& socket_path);
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;

  /// Queues a command with this process's environment, folder and umask. Returns its id when it is on disk.
  std::uint64_t submit(const std::vector<std::string>& command);
  /// One line of `tine batch` as a value: command, shell, or function and args; name, pool, timeout, ...
  /// `environment` (array of K=V), `cwd` and `umask`, where they are not given, are this process's.
  std::uint64_t submit_spec(const Json& spec);
  /// Waits until the job has ended, and gives its record. A daemon that goes is waited for, for 10 s.
  Json wait(std::uint64_t id);
  /// The same, for so long at most. Throws TimeoutError.
  Json wait(std::uint64_t id, std::chrono::duration<double> timeout);

  /// Calls a function in a worker of the pool `default` and waits for its result. Throws RemoteError with
  /// what the function threw, WorkerDied when its process ended, DaemonError.
  template <class... A>
  Json call(const std::string& function, A&&... arguments) {
    return call_in("default", std::nullopt, function, Json::array({Json(std::forward<A>(arguments))...}));
  }
  /// The same in another pool, and with a limit: a call that runs then is ended with its worker, one that
  /// waits is not begun. `arguments`: an array. Throws TimeoutError, too.
  Json call_in(const std::string& pool, std::optional<std::chrono::duration<double>> timeout,
               const std::string& function, const Json& arguments);

 private:
  struct Connection;
  std::unique_ptr<Connection> connection_;
};

}  // namespace tine
