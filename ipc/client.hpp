#pragma once
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "core/base/result.hpp"
#include "core/base/unique_fd.hpp"

namespace tine::ipc {

/// Keeps the daemon's order of fields, so that what is printed reads like the contract.
using Json = nlohmann::ordered_json;

/// A string for the wire: itself, or {"base64":"…"} where it is not UTF-8.
Json to_wire(std::string_view bytes);
/// The other way. Errors: Errc::usage for anything else.
Result<std::string> from_wire(const Json& value);

/// Whether this error of Client::connect() says that there is no daemon, rather than that it cannot be had.
bool nobody_listens(const Error& error);

/// One blocking JSON-RPC conversation with tined. After a loss of the peer is_open() is false and every
/// call fails with Errc::unavailable; an error that the daemon itself sends keeps is_open() true and
/// has the Errc of the exit code it asks for.
class Client {
 public:
  Client() = default;  ///< not open

  /// Errors: errno of connect(2): ENOENT and ECONNREFUSED mean that nothing listens.
  static Result<Client> connect(const std::string& path);

  /// Asks, and returns the "result". Notifications that come before it are dropped.
  Result<Json> call(std::string_view method, const Json& params);
  /// The same; `params` as for send().
  Result<Json> call_text(std::string_view method, std::string_view params);

  /// The same, and this client will say no more: the daemon hangs up with its answer, instead of being woken
  /// by our end while somebody waits for that. The "result" as JSON text on one line.
  Result<std::string> call_last(std::string_view method, std::string_view params);

  /// Sends without waiting for the answer, nor for the hello line. `params` is JSON text, spliced in as it
  /// is. `descriptors` ride on the first byte of the line; the caller keeps its own. Errors: Errc::usage for
  /// a line over the limit, with nothing sent.
  Status send(std::string_view method, std::string_view params, std::span<const int> descriptors = {});

  /// Sends what the socket takes now of ready-made lines, and takes that off them; never blocks.
  Status send_some(std::string& lines);

  /// The next notification or reply, whole; blocks. The hello line is checked and swallowed.
  Result<Json> next_message();
  /// The "result" of a reply, or the error in it.
  static Result<Json> result_of(Json& reply);
  static bool is_notification(const Json& message);

  /// What the daemon tells before it answers, as text: it stays until the next thing is read.
  struct Notification {
    std::string_view method, params;
  };
  using Message = std::variant<Notification, Json>;  ///< Json: a reply
  /// The same as next_message(), without a tree of what is only told.
  Result<Message> next();

  /// For a caller with its own poll(): whether a line is there, the message in it (null: it was the hello
  /// line), and one read.
  bool has_line() const { return line_end_ != std::string::npos; }
  Result<Json> take_line();
  Status receive();

  bool is_open() const { return static_cast<bool>(socket_); }
  int descriptor() const { return socket_.get(); }
  int daemon_pid() const { return daemon_pid_; }  ///< 0 before the hello line was read
  void close();
  /// Gives the socket to the end of the process.
  void leave_open() { (void)socket_.release(); }

 private:
  Result<Json> await_result();
  Status send_line(std::string_view line, std::span<const int> descriptors);
  Error lost(const char* doing);
  void drop_taken();
  std::string_view first_line() const { return std::string_view(input_).substr(taken_, line_end_ - taken_); }
  Status await_line();
  std::string_view pass_line();
  std::optional<std::string> usual_result() const;
  bool is_usual_hello(std::string_view line);
  bool swallow_hello(const Json& message, Status& verdict);

  UniqueFd socket_;
  std::string input_;  ///< received; of what was returned the last line at least
  std::string unusual_method_, unusual_params_;
  std::size_t taken_ = 0;                     ///< bytes of input_ that were returned
  std::size_t line_end_ = std::string::npos;  ///< of the first whole line behind those
  std::size_t scanned_ = 0;                   ///< bytes of input_ known to hold no line end
  int next_id_ = 1;
  int daemon_pid_ = 0;
};

}  // namespace tine::ipc
