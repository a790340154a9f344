#include "cmd/tined_take_over.hpp"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "daemon/state_dir.hpp"
#include "ipc/client.hpp"

namespace tine {
namespace {

using Clock = std::chrono::steady_clock;
using ipc::Json;

constexpr std::chrono::seconds patience{10};

/// The answer, unless the daemon, which may be stopped, takes too long.
Result<Json> ask(ipc::Client& daemon, const char* method, const Json& params, Clock::time_point until) {
  if (auto sent = daemon.send(method, params.dump()); !sent) return sent.error();
  for (;;) {
    while (!daemon.has_line()) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
      pollfd readable{daemon.descriptor(), POLLIN, 0};
      if (::poll(&readable, 1, static_cast<int>(std::max<std::int64_t>(left, 0))) <= 0)
        return make_error(Errc::timed_out, "no answer");
      if (auto received = daemon.receive(); !received) return received.error();
    }
    auto message = daemon.take_line();
    if (!message) return message;
    if (!message->is_null() && !ipc::Client::is_notification(*message))
      return ipc::Client::result_of(*message);
  }
}

enum class Holder { leaves, stays, unknown };

Holder ask_to_leave(const std::string& socket, Clock::time_point until) {
  auto daemon = ipc::Client::connect(socket);
  if (!daemon) return Holder::unknown;  // it starts, or ends
  const auto status = ask(*daemon, "status", Json::object(), until);
  if (!status) return Holder::unknown;
  if (status->value("/daemon/supervised"_json_pointer, true)) return Holder::stays;
  return ask(*daemon, "shutdown", Json{{"mode", "leave_jobs"}}, until) ? Holder::leaves : Holder::unknown;
}

}  // namespace

Result<UniqueFd> take_over(const std::string& state_dir, const std::string& socket, const Error& held) {
  const auto until = Clock::now() + patience;
  for (;;) {
    if (ask_to_leave(socket, until) == Holder::stays) return held;
    // Another client may start one again, in the moment between the two.
    auto lock = take_state_dir(state_dir);
    if (lock || lock.error().code != Errc::already_running || Clock::now() >= until) return lock;
    ::poll(nullptr, 0, 10);
  }
}

}  // namespace tine
