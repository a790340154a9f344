#include "ipc/client.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/base/limits.hpp"
#include "core/base/quantity.hpp"
#include "core/base/text.hpp"
#include "ipc/member_text.hpp"
#include "ipc/protocol.hpp"

namespace tine::ipc {
namespace {

constexpr std::size_t descriptors_max = 4;         // stdin stdout stderr alive
constexpr std::size_t reply_bytes_max = 1u << 30;  // a peer that never ends its line must not eat the machine
constexpr std::size_t receive_bytes = 64u << 10;

/// An exit code that a program may ask for over the wire, as the Errc that leads back to it.
Errc errc_from_exit_code(int code) {
  for (const auto errc : {Errc::usage, Errc::absent, Errc::unavailable, Errc::try_later, Errc::cannot_create,
                          Errc::io, Errc::not_permitted, Errc::already_running, Errc::timed_out}) {
    if (exit_code_of(make_error(errc, "")) == code) return errc;
  }
  return Errc::internal;
}

Error error_of(const Json& error) {
  if (!error.is_object()) return make_error(Errc::internal, "the daemon sent an error without a body");
  const auto message = error.find("message");
  const auto data = error.find("data");
  int exit_code = 2;  // JSON-RPC's own errors (unknown method, bad params) are wrong usage
  if (data != error.end() && data->is_object()) {
    const auto asked = data->find("exit_code");
    if (asked != data->end() && asked->is_number_integer()) exit_code = asked->get<int>();
  }
  return make_error(errc_from_exit_code(exit_code), message != error.end() && message->is_string()
                                                        ? message->get<std::string>()
                                                        : "the daemon gave no reason");
}

/// As tined writes it.
std::optional<Client::Notification> usual_notification(std::string_view line) {
  constexpr std::string_view beginning = R"({"jsonrpc":"2.0","method":")";
  constexpr std::string_view between = R"(","params":)";
  if (!line.starts_with(beginning) || line.back() != '}') return std::nullopt;
  line.remove_prefix(beginning.size());
  const auto at = line.find(between);  // no method has a quote in its name
  if (at == std::string_view::npos) return std::nullopt;
  const auto begin = at + between.size();
  return Client::Notification{line.substr(0, at), line.substr(begin, line.size() - begin - 1)};
}

}  // namespace

Json to_wire(std::string_view bytes) {
  if (is_utf8(bytes)) return std::string(bytes);
  return {{"base64", base64_encode(bytes)}};
}

Result<std::string> from_wire(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_object() && value.size() == 1 && value.contains("base64") && value["base64"].is_string())
    return base64_decode(value["base64"].get_ref<const std::string&>());
  return make_error(Errc::usage, "not a string; allowed: a string or {\"base64\":\"…\"}");
}

bool nobody_listens(const Error& error) {
  return error.code == std::errc::no_such_file_or_directory || error.code == std::errc::connection_refused ||
         error.code == std::errc::not_a_directory;
}

Result<Client> Client::connect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return make_error(Errc::usage, "the socket path is too long: " + path);
  std::memcpy(address.sun_path, path.c_str(), path.size());

  Client client;
  client.socket_ = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!client.socket_) return errno_error("socket");
  while (::connect(client.socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
    if (errno != EINTR) return errno_error("connect to " + path);
  }
  return client;
}

Result<Json> Client::call(std::string_view method, const Json& params) {
  return call_text(method, params.dump());
}

Result<Json> Client::call_text(std::string_view method, std::string_view params) {
  if (const auto sent = send(method, params); !sent) return sent.error();
  return await_result();
}

Result<std::string> Client::call_last(std::string_view method, std::string_view params) {
  if (const auto sent = send(method, params); !sent) return sent.error();
  ::shutdown(socket_.get(), SHUT_WR);
  for (;;) {
    if (const auto there = await_line(); !there) return there.error();
    if (auto result = usual_result()) return std::move(*result);
    auto message = take_line();
    if (!message) return message.error();
    if (message->is_null() || is_notification(*message)) continue;
    const auto result = result_of(*message);
    return result ? result->dump() : Result<std::string>(result.error());
  }
}

/// Of the first line that is there, if it is the reply to what was asked last, as tined writes it: most
/// starts of tine need no JSON tree.
std::optional<std::string> Client::usual_result() const {
  const std::string beginning = R"({"jsonrpc":"2.0","id":)" + std::to_string(next_id_ - 1) + R"(,"result":)";
  const auto line = first_line();
  if (!line.starts_with(beginning)) return std::nullopt;
  return std::string(line.substr(beginning.size(), line.size() - beginning.size() - 1));
}

Result<Json> Client::await_result() {
  for (;;) {
    auto message = next_message();
    if (!message) return message.error();
    if (!is_notification(*message)) return result_of(*message);
  }
}

Status Client::send(std::string_view method, std::string_view params, std::span<const int> descriptors) {
  const std::size_t bytes_max = method == "batch" ? limits::batch_line_bytes_max : limits::line_bytes_max;
  std::string line;
  line.reserve(params.size() + method.size() + 80);
  line.append(R"({"jsonrpc":"2.0","id":)").append(std::to_string(next_id_++)).append(R"(,"method":")");
  line.append(method).append(R"(","params":)").append(params).append("}");
  if (line.size() > bytes_max) {
    return make_error(Errc::usage, "the request has " + std::to_string(line.size()) +
                                       " bytes; allowed: at most " + std::to_string(bytes_max >> 20) +
                                       " MiB");
  }
  line += '\n';
  return send_line(line, descriptors);
}

Status Client::send_line(std::string_view line, std::span<const int> descriptors) {
  if (!is_open()) return make_error(Errc::unavailable, "the connection to the daemon was lost");
  if (descriptors.size() > descriptors_max)
    return make_error(Errc::internal, "too many descriptors in one request");
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * descriptors_max)] = {};
  bool first = true;
  while (!line.empty()) {
    iovec part{const_cast<char*>(line.data()), line.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (first && !descriptors.empty()) {
      message.msg_control = control;
      message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(descriptors.size_bytes());
      std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size_bytes());
    }
    const auto sent = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    // A daemon that refuses a line may say why and hang up before it has read all of it: the reading finds
    // out.
    if (sent < 0 && (errno == EPIPE || errno == ECONNRESET)) return ok();
    if (sent < 0) return lost("send to");
    first = false;
    line.remove_prefix(static_cast<std::size_t>(sent));
  }
  return ok();
}

Status Client::send_some(std::string& lines) {
  if (lines.empty()) return ok();
  if (!is_open()) return make_error(Errc::unavailable, "the connection to the daemon was lost");
  const auto sent = ::send(socket_.get(), lines.data(), lines.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent >= 0) lines.erase(0, static_cast<std::size_t>(sent));
  if (sent < 0 && errno != EAGAIN && errno != EINTR) return lost("send to");
  return ok();
}

Status Client::receive() {
  if (!is_open()) return make_error(Errc::unavailable, "the connection to the daemon was lost");
  drop_taken();
  if (input_.size() > reply_bytes_max) {
    close();
    return make_error(Errc::unavailable, "the daemon's reply is over 1 GiB");
  }
  char chunk[receive_bytes];
  ssize_t got;
  do {
    // Who sleeps in recv is woken by each read of the daemon, too: it makes room to write. A wake costs 10
    // us.
    pollfd readable{socket_.get(), POLLIN, 0};
    ::poll(&readable, 1, -1);
    got = ::recv(socket_.get(), chunk, sizeof chunk, 0);
  } while (got < 0 && errno == EINTR);
  if (got <= 0) return lost("read from");
  input_.append(chunk, static_cast<std::size_t>(got));
  if (line_end_ == std::string::npos) {
    line_end_ = input_.find('\n', scanned_);
    scanned_ = input_.size();
  }
  return ok();
}

/// Once for all lines that came together.
void Client::drop_taken() {
  input_.erase(0, taken_);
  if (line_end_ != std::string::npos) line_end_ -= taken_;
  scanned_ -= taken_;
  taken_ = 0;
}

Status Client::await_line() {
  while (!has_line())
    if (const auto received = receive(); !received) return received;
  return ok();
}

Result<Json> Client::next_message() {
  for (;;) {
    if (const auto there = await_line(); !there) return there.error();
    auto message = take_line();
    if (!message || !message->is_null()) return message;
  }
}

std::string_view Client::pass_line() {
  const auto line = first_line();
  taken_ = line_end_ + 1;
  line_end_ = input_.find('\n', taken_);
  scanned_ = input_.size();
  return line;
}

Result<Json> Client::take_line() {
  const auto line = pass_line();
  if (is_usual_hello(line)) return Json();
  auto message = Json::parse(line.begin(), line.end(), nullptr, /*allow_exceptions=*/false);
  if (!message.is_object()) {
    close();
    return make_error(Errc::unavailable, "what answers at the socket does not speak tine's protocol");
  }
  Status verdict = ok();
  if (!swallow_hello(message, verdict)) return message;
  if (!verdict) return verdict.error();
  return Json();
}

/// Each start of tine hears it, and a JSON tree of it costs more than to send a request.
bool Client::is_usual_hello(std::string_view line) {
  const auto told = usual_notification(line);
  if (!told || told->method != hello) return false;
  const auto protocol =
      parse_integer(member_text(told->params, "protocol"), protocol_version, protocol_version);
  const auto pid = parse_integer(member_text(told->params, "pid"), 1, INT32_MAX);
  if (!protocol || !pid) return false;
  daemon_pid_ = static_cast<int>(*pid);
  return true;
}

bool Client::swallow_hello(const Json& message, Status& verdict) {
  const auto method = message.find("method");
  if (method == message.end() || *method != hello) return false;
  const auto params = message.find("params");
  const int protocol = params != message.end() && params->is_object() ? params->value("protocol", 0) : 0;
  if (protocol != protocol_version) {
    close();
    verdict = make_error(Errc::unavailable, "the daemon speaks protocol " + std::to_string(protocol) +
                                                ", this tine speaks " + std::to_string(protocol_version) +
                                                ": restart the daemon");
    return true;
  }
  daemon_pid_ = params->value("pid", 0);
  return true;
}

Result<Json> Client::result_of(Json& reply) {
  if (const auto error = reply.find("error"); error != reply.end()) return error_of(*error);
  const auto result = reply.find("result");
  if (result == reply.end()) return make_error(Errc::internal, "the daemon's reply has no result");
  return Json(std::move(*result));
}

Result<Client::Message> Client::next() {
  for (;;) {
    if (const auto there = await_line(); !there) return there.error();
    const auto notification = usual_notification(first_line());
    if (notification && notification->method != hello) {
      pass_line();
      return Message(*notification);
    }
    auto message = take_line();
    if (!message) return message.error();
    if (message->is_null()) continue;
    if (!is_notification(*message)) return Message(std::move(*message));
    const auto& method = (*message)["method"];
    unusual_method_ = method.is_string() ? method.get<std::string>() : "";
    unusual_params_ = message->value("params", Json()).dump();
    return Message(Notification{unusual_method_, unusual_params_});
  }
}

bool Client::is_notification(const Json& message) { return message.contains("method"); }

void Client::close() {
  socket_.reset();
  input_.clear();
  line_end_ = std::string::npos;
  taken_ = scanned_ = 0;
}

Error Client::lost(const char* doing) {
  close();
  return make_error(Errc::unavailable, std::string("the daemon went away (") + doing + " its socket)");
}

}  // namespace tine::ipc
