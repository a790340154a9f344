#pragma once
#include <chrono>
#include <string>
#include <utility>

#include "cmd/options.hpp"
#include "core/base/result.hpp"
#include "ipc/client.hpp"

/// How a verb reaches the daemon: at first, starting one where that is allowed, and again after a loss.
namespace tine::cmd {

enum class Autostart {
  allowed,
  never,
  not_needed,  ///< with none running there is nothing to do: exit code 69, told by nobody
};

/// A tined that ended with an exit code of its own has said why on stderr: say nothing more.
struct Reached {
  Reached() = default;
  Reached(ipc::Client to, std::string at) : client(std::move(to)), socket(std::move(at)) {}
  explicit Reached(int code) : exit_code(code) {}
  Reached(Reached&&) = default;
  Reached& operator=(Reached&&) = default;
  /// A verb's end is tine's, and that closes the connection. Closed here, it would wake tined before the
  /// caller hears of the end.
  ~Reached() { client.leave_open(); }

  ipc::Client client;
  std::string socket;
  int exit_code = 0;  ///< not 0: there is no client, this is tine's exit code, and it has been told
};
Reached reach_daemon(const Invocation& invocation, Autostart autostart);

/// How long a waiting verb looks for tined again (contract 4), and how often.
inline constexpr std::chrono::milliseconds redial_for{10'000};
inline constexpr std::chrono::milliseconds redial_every{50};
/// Errors: Errc::unavailable after `redial_for`.
Result<ipc::Client> redial(const std::string& socket);

}  // namespace tine::cmd
