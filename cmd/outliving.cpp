#include "cmd/outliving.hpp"

#include <poll.h>

#include <nlohmann/json.hpp>

namespace tine::cmd {
namespace {

using ipc::Json;
using Clock = std::chrono::steady_clock;

using OnNotification = std::function<Status(const ipc::Client::Notification&)>;

constexpr std::chrono::milliseconds quiet_every{200};

Result<Json> ask(ipc::Client& client, std::string_view method, const Json& params,
                 const OnNotification& on_notification, const std::function<void()>& on_quiet, bool& heard) {
  if (const auto sent = client.send(method, params.dump()); !sent) return sent.error();
  for (;;) {
    while (on_quiet && !client.has_line()) {
      pollfd readable{client.descriptor(), POLLIN, 0};
      const int ready = ::poll(&readable, 1, static_cast<int>(quiet_every.count()));
      on_quiet();
      if (ready <= 0) continue;
      if (auto received = client.receive(); !received) return received.error();
    }
    auto next = client.next();
    if (!next) return next.error();
    heard = true;
    if (auto* reply = std::get_if<Json>(&*next)) return ipc::Client::result_of(*reply);
    if (!on_notification) continue;
    const auto& notification = std::get<ipc::Client::Notification>(*next);
    if (const auto taken = on_notification(notification); !taken) return taken.error();
  }
}

}  // namespace

Result<Json> ask_outliving(Reached& daemon, std::string_view method, const std::function<Json()>& params,
                           const OnNotification& on_notification, const std::function<void()>& on_quiet) {
  // A tined that accepts and dies again and again is as good as none: only a message moves the deadline.
  std::optional<Clock::time_point> deadline;
  for (;;) {
    bool heard = false;
    auto answer = ask(daemon.client, method, params(), on_notification, on_quiet, heard);
    if (answer || daemon.client.is_open()) return answer;
    heard = heard || daemon.client.daemon_pid() != 0;
    if (heard || !deadline) deadline = Clock::now() + redial_for;
    if (Clock::now() >= *deadline) return answer;

    ::poll(nullptr, 0, static_cast<int>(redial_every.count()));
    auto again = redial(daemon.socket);
    if (!again) return again.error();
    daemon.client = std::move(*again);
  }
}

Result<Json> await_record(Reached& daemon, std::uint64_t id) {
  auto reply = ask_outliving(daemon, "wait", [&] {
    return Json{{"ids", Json::array({Json::array({id, id})})}, {"records", true}};
  });
  if (!reply) return reply.error();
  auto jobs = reply->find("jobs");
  if (jobs == reply->end() || !jobs->is_array() || jobs->empty())
    return make_error(Errc::internal, "the daemon's reply has no job record");
  return Json(std::move(jobs->front()));
}

}  // namespace tine::cmd
