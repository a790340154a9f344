#include "cmd/tined_take_over.hpp"

#include <poll.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "daemon/state_dir.hpp"
#include "ipc/client.hpp"

namespace tine {
namespace {

constexpr std::chrono::seconds patience{10};

}  // namespace

Result<UniqueFd> take_over(const std::string& state_dir, const std::string& socket, const Error& held) {
  auto holder = ipc::Client::connect(socket);
  if (!holder) return held;
  const auto status = holder->call("status", ipc::Json::object());
  if (!status || status->value("/daemon/supervised"_json_pointer, true)) return held;
  if (auto left = holder->call("shutdown", ipc::Json{{"mode", "leave_jobs"}}); !left) return held;
  const auto until = std::chrono::steady_clock::now() + patience;
  for (;;) {
    auto lock = take_state_dir(state_dir);
    if (lock || lock.error().code != Errc::already_running || std::chrono::steady_clock::now() >= until)
      return lock;
    ::poll(nullptr, 0, 10);
  }
}

}  // namespace tine
