#include "core/base/clock.hpp"
#include "daemon/dispatch.hpp"
#include "ipc/protocol.hpp"

namespace tine::verbs {
namespace {

constexpr std::size_t events_at_once = 500;

ipc::OrderedJson event_from(const JobTable::Event& event) {
  ipc::OrderedJson json{{"seq", event.seq}, {"time", rfc3339(event.time)}, {"type", event.type}};
  if (event.job != 0) json["job"] = event.job;
  const auto detail = ipc::OrderedJson::parse("{" + event.detail + "}", nullptr, false);
  for (const auto& [key, value] : detail.items()) json[key] = value;
  return json;
}

/// Rings the bell at new events for as long as it lives.
class Following {
 public:
  Following(EventLog& log, Bell& bell) : log_(log), bell_(bell) { log_.add_follower(&bell_); }
  ~Following() { log_.remove_follower(&bell_); }
  Following(const Following&) = delete;
  Following& operator=(const Following&) = delete;

 private:
  EventLog& log_;
  Bell& bell_;
};

}  // namespace

/// Streams the events after `since` to the client, and with `follow` those to come.
Answer events(Call& call) {
  auto since = ipc::unsigned_field(call.params, "since", 0, INT64_MAX);
  if (!since) return since.error();
  auto follow = ipc::bool_field(call.params, "follow", false);
  if (!follow) return follow.error();
  const bool is_asked = call.params.contains("since");
  Bell bell(call.services.loop);
  const Following following(call.services.jobs.events(), bell);
  const auto here = std::make_shared<Bell*>(&bell);
  call.channel.on_close([gone = std::weak_ptr(here)] {
    if (const auto alive = gone.lock()) (*alive)->ring();
  });
  std::uint64_t after = *since;
  for (bool is_first = true;; is_first = false) {
    std::vector<JobTable::Event> page;
    const auto look = [&](JobTable& table) -> Status {
      const auto oldest = table.oldest_event();
      if (is_first && is_asked && oldest > after + 1)
        return make_error(Errc::absent, "since: the events after " + std::to_string(after) +
                                            " are forgotten; the oldest kept is " + std::to_string(oldest));
      auto found = table.events(after, events_at_once);
      if (!found) return found.error();
      page = std::move(*found);
      return ok();
    };
    // At first with what waits for company: the asker may know of it already.
    const auto status = park_for<Status>([&](std::function<void(Status)> done) {
      Store& store = call.services.store;
      is_first ? store.submit(look, std::move(done)) : store.read(look, std::move(done));
    });
    if (!status) return status.error();
    for (const auto& event : page) {
      call.channel.send(ipc::notification(ipc::event, event_from(event)));
      after = event.seq;
    }
    if (!page.empty())
      if (auto drained = call.channel.drain(); !drained) return drained.error();
    if (!call.channel.is_open()) return make_error(Errc::unavailable, "the client has gone");
    if (page.size() == events_at_once) continue;
    if (!*follow) return ipc::OrderedJson{{"last", after}};
    bell.wait();
  }
}

}  // namespace tine::verbs
