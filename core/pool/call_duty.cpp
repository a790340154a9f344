#include "core/pool/call_duty.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>

#include "core/base/bytes.hpp"
#include "core/base/clock.hpp"
#include "core/base/placeholders.hpp"
#include "core/pool/call_arguments.hpp"
#include "core/pool/call_surroundings.hpp"
#include "core/pool/command_run.hpp"
#include "core/pool/job_environment.hpp"
#include "core/process/process_tree.hpp"

namespace tine {
namespace {

const int daemon_signal = SIGRTMAX - 3;
int daemon_socket = -1;

void on_daemon_signal(int) {
  const int before = errno;
  pollfd look{daemon_socket, POLLRDHUP, 0};
  // The zygote kills what this process had started.
  if (::poll(&look, 1, 0) > 0 && (look.revents & (POLLRDHUP | POLLHUP | POLLERR))) ::_exit(0);
  errno = before;
}

/// For as long as it lives, the end of the socket ends this process: on its futex it would not hear of it.
class DaemonWatch {
 public:
  explicit DaemonWatch(int socket) {
    daemon_socket = socket;
    struct sigaction action {};
    action.sa_handler = on_daemon_signal;
    action.sa_flags = SA_RESTART;
    ::sigaction(daemon_signal, &action, nullptr);
    ::fcntl(socket, F_SETOWN, ::getpid());
    ::fcntl(socket, F_SETSIG, daemon_signal);
    ::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) | O_ASYNC);
    on_daemon_signal(daemon_signal);  // what happened before sends no signal
  }
  ~DaemonWatch() {
    ::fcntl(daemon_socket, F_SETFL, ::fcntl(daemon_socket, F_GETFL) & ~O_ASYNC);
    ::signal(daemon_signal, SIG_IGN);
    ::signal(daemon_signal, SIG_DFL);
  }
  DaemonWatch(const DaemonWatch&) = delete;
  DaemonWatch& operator=(const DaemonWatch&) = delete;
};

/// The number before the first blank of a numbered call, taken off it.
std::uint64_t take_number(std::string_view& text) {
  std::uint64_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  text.remove_prefix(std::min(text.size(), static_cast<std::size_t>(read.ptr - text.data()) + 1));
  return number;
}

bool is_past(std::uint64_t deadline_ns) {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count() >=
         static_cast<std::int64_t>(deadline_ns);
}

class Duty {
 public:
  Duty(const CallDuty& duty, CallRing& ring, const DutyPlace& place)
      : duty_(duty), ring_(ring), place_(place), environment_(environment()) {}

  void run() {
    const DaemonWatch watch(place_.daemon);
    const int says = place_.errors >= 0 ? place_.errors : place_.null;
    const CallSurroundings surroundings(duty_.cwd, duty_.umask, environment_, place_.null, says, says);
    AdaptiveSpin spin;
    while (const auto slot = ring_.begin(duty_.seat, spin)) answer(*slot);
  }

 private:
  std::vector<std::string> environment() const {
    StartOrder order;
    order.environment = std::make_shared<const std::string>(duty_.environment);
    JobSpec spec;
    spec.pool = duty_.pool;
    return JobEnvironments(place_.socket_path, place_.slot).of(order, spec);
  }

  void answer(std::uint32_t slot) {
    CallRing::Taken call;
    AnswerKind kind = AnswerKind::value;
    std::string bytes;
    if (const auto read = ring_.read_request(slot, call); !read) {
      kind = AnswerKind::error;
      bytes = encode_error("IOError", read.error().message());
    } else if (call.code != 0 && is_past(call.code)) {
      kind = AnswerKind::error;
      bytes = encode_error("TimeoutError", "no worker was free in time");
    } else if (!duty_.command.empty()) {
      bytes = run_command(call.arguments, call.function);
    } else {
      bytes = call_function(call.arguments, kind);
    }
    if (const auto answered = ring_.answer(slot, kind, bytes); !answered)
      (void)ring_.answer(slot, AnswerKind::error, encode_error("IOError", answered.error().message()));
  }

  std::string call_function(std::string_view text, AnswerKind& kind) {
    CallResult result;
    std::string name = duty_.function;
    if (name.empty()) {
      const auto end = text.find('\0');
      name = text.substr(0, end);
      text.remove_prefix(end + 1);
    }
    const auto* function = place_.functions.find(name);
    if (!function)
      result = {"", "FunctionNotFound", "there is no function " + name};
    else if (const auto args = arguments(text, result); !args.empty())
      result = run(*function, args);
    kind = result.error_type.empty() ? AnswerKind::value : AnswerKind::error;
    return kind == AnswerKind::value ? std::move(result.result_json)
                                     : encode_error(result.error_type, result.error_message);
  }

  /// "": `result` says why not.
  std::string arguments(std::string_view text, CallResult& result) const {
    const bool is_array = duty_.is_star || duty_.function.empty();
    return call_arguments(text,
                          duty_.is_text ? CallText::text
                          : is_array    ? CallText::array
                                        : CallText::value,
                          result);
  }

  static CallResult run(const Functions::Function& function, const std::string& args) {
    CallResult result;
    try {
      result = function(args);
    } catch (const std::exception& error) {
      result = {"", "Exception", error.what()};
    } catch (...) {
      result = {"", "Exception", "unknown"};
    }
    std::fflush(nullptr);
    kill_strays();
    return result;
  }

  std::string run_command(std::string_view text, std::uint64_t id) {
    Outcome outcome;
    outcome.job = id;
    outcome.slot = place_.slot;
    outcome.worker_pid = ::getpid();
    outcome.started = now_micros();
    Command command;
    const auto number = is_numbered_ ? take_number(text) : 0;
    command.argv = fill_placeholders(duty_.command, text, number);
    command.environment = environment_;
    command.workdir = duty_.cwd;
    command.umask = duty_.umask;
    command.open_files_soft = place_.open_files_soft;
    ExecFailure failure{126, "OutputFailed", ""};
    if (const auto prepared = place_.output.prepare(); !prepared) {
      failure.message = prepared.error().message();
      fail_to_start(outcome, failure);
    } else {
      command.in = place_.null;
      command.out = place_.output.out();
      command.err = duty_.keeps_errors || place_.errors < 0 ? place_.output.err() : place_.errors;
      auto spawned = spawn_command(command, failure);
      if (!spawned) failure = {126, "ForkFailed", spawned.error().message()};
      if (!spawned || *spawned < 0)
        fail_to_start(outcome, failure);
      else
        CommandRun(*spawned, UniqueFd(), nullptr, 0, 0).finish(outcome);
      place_.output.collect(outcome);
    }
    outcome.finished = now_micros();
    return encode(outcome);
  }

  const CallDuty& duty_;
  CallRing& ring_;
  const DutyPlace& place_;
  const bool is_numbered_ = has_number_placeholder(duty_.command);
  std::vector<std::string> environment_;
};

}  // namespace

std::string encode(const CallDuty& duty) {
  ByteWriter out;
  out.number(duty.id);
  out.number(duty.seat);
  out.string(duty.function);
  out.strings(duty.command);
  for (const bool flag : {duty.is_text, duty.is_star, duty.keeps_errors}) out.number<std::uint8_t>(flag);
  out.string(duty.pool);
  out.string(duty.environment);
  out.string(duty.cwd);
  out.number(duty.umask);
  return out.take();
}

bool decode(std::string_view bytes, CallDuty& duty) {
  ByteReader in(bytes);
  duty.id = in.number<std::uint64_t>();
  duty.seat = in.number<std::uint32_t>();
  duty.function = in.string();
  duty.command = in.strings();
  for (bool* flag : {&duty.is_text, &duty.is_star, &duty.keeps_errors})
    *flag = in.number<std::uint8_t>() != 0;
  duty.pool = in.string();
  duty.environment = in.string();
  duty.cwd = in.string();
  duty.umask = in.number<std::uint32_t>();
  return in.at_end();
}

void serve_calls(const CallDuty& duty, CallRing& ring, const DutyPlace& place) {
  Duty(duty, ring, place).run();
}

}  // namespace tine
