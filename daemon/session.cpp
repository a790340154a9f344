#include "daemon/session.hpp"

#include <unistd.h>

#include "core/base/limits.hpp"
#include "daemon/dispatch.hpp"
#include "ipc/protocol.hpp"

namespace tine {
namespace {

/// Requests of one client that may be waiting at once.
constexpr int waiting_max = 256;

constexpr std::chrono::milliseconds greeting_patience{5};

struct Conversation {
  std::shared_ptr<ipc::Channel> channel;
  Services& services;
  std::shared_ptr<MapRun> map_run;
  std::shared_ptr<SingleCalls> single_calls;
  int waiting = 0;
  bool may_last = false;  ///< something was asked whose answer may take days
  bool has_said_all = false;

  void close_when_done() {
    if (has_said_all && waiting == 0) channel->close();
  }
};

void answer(Conversation& with, const ipc::Request& request, const Verb& verb,
            std::vector<UniqueFd> descriptors) {
  Call call{with.services,          *with.channel, request.params,
            std::move(descriptors), with.map_run,  with.single_calls};
  const Answer result = verb.handler(call);
  if (request.id.is_null()) return;
  if (!result) return with.channel->send(ipc::error_reply(request.id, result.error(), call.error_type));
  with.channel->send(call.result_text.empty() ? ipc::reply(request.id, *result)
                                              : ipc::reply_of_text(request.id, call.result_text));
}

void handle(const std::shared_ptr<Conversation>& with, ipc::Request request,
            std::vector<UniqueFd> descriptors) {
  const Verb* verb = find_verb(request.method);
  if (!verb)
    return with->channel->send(ipc::error_reply(request.id, ipc::method_not_found,
                                                "method: there is no \"" + request.method + "\"", 2));
  if (verb->pace == Pace::at_once) return answer(*with, request, *verb, std::move(descriptors));
  if (verb->pace == Pace::waits) with->channel->flush();
  if (verb->pace > Pace::soon) with->may_last = true;
  if (with->waiting >= waiting_max)
    return with->channel->send(ipc::error_reply(
        request.id, make_error(Errc::try_later,
                               "over " + std::to_string(waiting_max) + " requests wait on this connection")));
  ++with->waiting;
  auto moved = std::make_shared<std::pair<ipc::Request, std::vector<UniqueFd>>>(std::move(request),
                                                                                std::move(descriptors));
  Fiber::spawn([with, verb, moved] {
    answer(*with, moved->first, *verb, std::move(moved->second));
    --with->waiting;
    with->close_when_done();
  });
}

}  // namespace

void converse(const std::shared_ptr<ipc::Channel>& channel, Services& services) {
  static const std::string hello = ipc::notification(
      ipc::hello, {{"protocol", ipc::protocol_version}, {"version", services.version}, {"pid", ::getpid()}});
  channel->hold(hello);
  // Who asks right away gets the greeting with the answer: a wake less.
  asio::steady_timer greeting(services.loop);
  const std::function<void()> greet_soon = [&, is_due = false]() mutable {
    if (std::exchange(is_due, true)) return;
    greeting.expires_after(greeting_patience);
    greeting.async_wait([weak = std::weak_ptr(channel)](const std::error_code& error) {
      if (const auto listener = error ? nullptr : weak.lock()) listener->flush();
    });
  };
  auto with = std::make_shared<Conversation>(Conversation{channel, services, nullptr, nullptr});
  for (;;) {
    auto line = channel->read_line(greet_soon);
    if (!line) {
      with->has_said_all = true;
      if (with->may_last) {
        channel->flush();
        channel->watch_hang_up();
      }
      return with->close_when_done();
    }
    if (line->too_long) {
      channel->send(ipc::error_reply(nullptr, ipc::invalid_request,
                                     "a line of over " + std::to_string(limits::batch_line_bytes_max) +
                                         " bytes; allowed: " + std::to_string(limits::line_bytes_max) + " (" +
                                         std::to_string(limits::batch_line_bytes_max) + " for batch)",
                                     2));
      continue;
    }
    auto parsed = ipc::parse_request(line->text);
    if (auto* error = std::get_if<ipc::RequestError>(&parsed)) {
      channel->send(ipc::error_reply(error->id, error->code, error->message, 2));
      channel->take_descriptors();
      continue;
    }
    handle(with, std::move(std::get<ipc::Request>(parsed)), channel->take_descriptors());
    if (!channel->drain()) return;
  }
}

}  // namespace tine
