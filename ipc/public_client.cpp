// <tine/client.hpp>, over ipc's client. Here results become exceptions.
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tine/client.hpp>

#include "core/base/text.hpp"
#include "ipc/client.hpp"
#include "ipc/places.hpp"
#include "ipc/wire_text.hpp"

extern char** environ;

namespace tine {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto redial_for = 10s;
constexpr auto redial_every = 100ms;

[[noreturn]] void fail(const Error& error) { throw DaemonError(exit_code_of(error), error.message()); }

Result<ipc::Client> dial(const std::string& path) {
  auto client = ipc::Client::connect(path);
  if (client) return client;
  if (ipc::nobody_listens(client.error()))
    return make_error(Errc::unavailable, "no daemon listens at " + path);
  return client;
}

Json environment() {
  Json all = Json::array();
  for (char** entry = environ; entry && *entry; ++entry) {
    const std::string_view pair(*entry);
    if (pair.find('=') != std::string_view::npos) all.push_back(Json(ipc::to_wire(pair)));
  }
  return all;
}

std::string current_folder() {
  std::string folder(4096, '\0');
  if (!::getcwd(folder.data(), folder.size())) fail(errno_error("find the current folder"));
  return folder.c_str();
}

[[noreturn]] void rethrow(const std::string& type, const std::string& message) {
  if (type == "WorkerDied") throw WorkerDied(message);
  if (type == "TimeoutError") throw TimeoutError(message);
  throw RemoteError(type, message);
}

/// The result of a reply. An error with a type is what a function threw.
Json result_of(ipc::Json& reply) {
  if (const auto error = reply.find("error"); error != reply.end() && error->is_object()) {
    const auto data = error->find("data");
    if (data != error->end() && data->is_object() && data->contains("type"))
      rethrow(data->value("type", ""), data->value("message", ""));
  }
  auto result = ipc::Client::result_of(reply);
  if (!result) fail(result.error());
  return Json(std::move(*result));
}

}  // namespace

struct Client::Connection {
  std::string path;
  ipc::Client client;

  /// nullopt: the daemon has gone meanwhile.
  std::optional<Json> try_to_ask(const char* method, const Json& params) {
    std::string text;
    try {
      text = params.dump();
    } catch (const Json::exception&) {
      fail(make_error(Errc::usage, "a string that is not UTF-8; allowed: UTF-8, or {\"base64\":\"...\"}"));
    }
    if (const auto sent = client.send(method, text); !sent) {
      if (!client.is_open()) return std::nullopt;
      fail(sent.error());
    }
    for (;;) {
      auto message = client.next_message();
      if (!message) return std::nullopt;
      if (!ipc::Client::is_notification(*message)) return result_of(*message);
    }
  }

  /// What was lost is not asked again: nobody knows whether it was done. The next request dials anew.
  Json ask(const char* method, const Json& params) {
    if (!client.is_open()) dial_again();
    if (auto result = try_to_ask(method, params)) return std::move(*result);
    fail(make_error(Errc::unavailable, std::string("the daemon went away in the middle of ") + method));
  }

  void dial_again() {
    auto dialed = dial(path);
    if (!dialed) fail(dialed.error());
    client = std::move(*dialed);
  }
};

Client::Client() : Client("") {}

Client::Client(const std::string& socket_path) : connection_(std::make_unique<Connection>()) {
  const auto path = ipc::socket_path(socket_path, "");
  if (!path) fail(path.error());
  connection_->path = *path;
  connection_->dial_again();
}

Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

std::uint64_t Client::submit(const std::vector<std::string>& command) {
  Json words = Json::array();
  for (const auto& word : command) words.push_back(Json(ipc::to_wire(word)));
  return submit_spec({{"command", std::move(words)}});
}

std::uint64_t Client::submit_spec(const Json& spec) {
  if (!spec.is_object()) fail(make_error(Errc::usage, "a spec is a JSON object"));
  Json params = spec;
  if (!params.contains("environment")) params["environment"] = environment();
  if (!params.contains("cwd")) params["cwd"] = current_folder();
  if (!params.contains("umask")) {
    const mode_t mask = ::umask(0);
    ::umask(mask);
    params["umask"] = mask;
  }
  return connection_->ask("submit", params).at("id").get<std::uint64_t>();
}

Json Client::wait(std::uint64_t id) { return wait(id, std::chrono::duration<double>::max()); }

Json Client::wait(std::uint64_t id, std::chrono::duration<double> timeout) {
  const bool is_limited = timeout != std::chrono::duration<double>::max();
  const auto begun = Clock::now();
  std::optional<Clock::time_point> lost;
  for (;;) {
    Json params = {{"ids", Json::array({Json::array({id, id})})}, {"records", true}};
    if (is_limited)
      params["timeout_s"] =
          std::max(0.0, (timeout - std::chrono::duration<double>(Clock::now() - begun)).count());
    if (connection_->client.is_open()) {
      if (const auto reply = connection_->try_to_ask("wait", params)) {
        if (reply->value("timed_out", false))
          throw TimeoutError("job " + std::to_string(id) + " has not ended in time");
        return reply->at("jobs").at(0);
      }
      lost = Clock::now();
    }
    // As `tine wait`: the daemon that went may be followed by another one, which knows the job.
    if (auto dialed = dial(connection_->path)) {
      connection_->client = std::move(*dialed);
    } else {
      if (!lost || Clock::now() > *lost + redial_for) fail(dialed.error());
      ::poll(nullptr, 0, static_cast<int>(redial_every.count()));
    }
  }
}

Json Client::call_in(const std::string& pool, std::optional<std::chrono::duration<double>> timeout,
                     const std::string& function, const Json& arguments) {
  Json params = {{"function", function}, {"args", arguments}, {"pool", pool}};
  if (timeout) params["timeout"] = timeout->count();
  return connection_->ask("call", params);
}

}  // namespace tine
