#include "core/pool/co_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/base/file.hpp"
#include "core/base/json_depth.hpp"
#include "core/base/limits.hpp"
#include "core/job/job.hpp"
#include "core/process/pidfd.hpp"
#include "core/process/process_tree.hpp"

namespace tine {
namespace {

using Json = nlohmann::json;

constexpr std::size_t read_bytes = 64u << 10;
constexpr int exit_ms = 100;  ///< from the end of its stdout to its own, if it exits: for the message alone
constexpr std::size_t shown_bytes = 80;  ///< of a line that is no answer, in the message

std::string shown(std::string_view line) {
  const std::string text(line.substr(0, shown_bytes));
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace) +
         (line.size() > shown_bytes ? "..." : "");
}

Error no_answer(std::string what) { return make_error(Errc::usage, std::move(what)); }

bool would_block() { return errno == EAGAIN || errno == EINTR; }

}  // namespace

Result<CallResult> parse_reply(std::string_view line, std::uint64_t id) {
  if (json_too_deep_at(line)) return no_answer("its line is nested deeper than 64 levels");
  const Json reply = Json::parse(line, nullptr, false);
  if (reply.is_discarded()) return no_answer("its line is not JSON: " + shown(line));
  if (!reply.is_object()) return no_answer("its line is no JSON object: " + shown(line));
  const auto its_id = reply.find("id");
  if (its_id == reply.end()) return no_answer("its line has no id: " + shown(line));
  if (!its_id->is_number_unsigned() || its_id->get<std::uint64_t>() != id)
    return no_answer("its line has the id " +
                     shown(its_id->dump(-1, ' ', false, Json::error_handler_t::replace)) + ", asked was " +
                     std::to_string(id));
  const auto result = reply.find("result"), error = reply.find("error");
  if ((result == reply.end()) == (error == reply.end()))
    return no_answer("its line needs one of result and error: " + shown(line));
  if (result != reply.end()) return CallResult{result->dump(), "", ""};
  const auto text = [&](const char* key) {
    return error->is_object() && error->contains(key) && (*error)[key].is_string()
               ? (*error)[key].get<std::string>()
               : std::string();
  };
  if (text("type").empty())
    return no_answer("its error is not {\"type\":\"...\",\"message\":\"...\"}: " + shown(line));
  return CallResult{"", text("type"), text("message")};
}

CoProcess::CoProcess(CoProcessSpec spec, std::vector<std::string> environment, std::uint64_t open_files_soft)
    : spec_(std::move(spec)), environment_(std::move(environment)), open_files_soft_(open_files_soft) {
  umask_ = ::umask(0);
  ::umask(umask_);
}

CallResult CoProcess::call(const std::string& args_json) {
  if (is_busy_) return {"", "BusyError", "the co-process of " + spec_.name + " answers one call at a time"};
  if (pid_ > 0 && has_ended(0)) stop();
  CallResult result;
  if (pid_ <= 0 && !start(result)) return result;
  outgoing_ = R"({"id":)" + std::to_string(++id_) + R"(,"args":)" + args_json + "}";
  // A line break between two values would end the line; inside of a string JSON has none.
  for (char& byte : outgoing_)
    if (byte == '\n' || byte == '\r') byte = ' ';
  outgoing_ += '\n';
  is_busy_ = true;
  result = converse();
  is_busy_ = false;
  return result;
}

bool CoProcess::start(CallResult& why_not) {
  auto in = make_pipe(), out = make_pipe(), err = make_pipe();
  Command command;
  command.argv = spec_.command;
  command.environment = environment_;
  command.workdir = spec_.folder;
  command.umask = umask_;
  command.open_files_soft = open_files_soft_;
  command.dies_with_parent = true;
  why_not.error_type = "StartFailed";
  for (const auto* pipe : {&in, &out, &err})
    if (!*pipe) return why_not.error_message = pipe->error().message(), false;
  command.in = in->read_end.get();
  command.out = out->write_end.get();
  command.err = err->write_end.get();
  ExecFailure failure;
  auto spawned = spawn_command(command, failure);
  if (!spawned) why_not.error_message = spawned.error().message();
  if (spawned && *spawned < 0) {
    why_not.error_type = failure.type;
    why_not.error_message = "the co-process of " + spec_.name + ": " + failure.message;
  }
  if (!spawned || *spawned < 0) return false;
  pid_ = *spawned;
  keep_child(pid_);
  pidfd_.reset(static_cast<int>(::pidfd_open(pid_, 0)));
  if (!pidfd_) {
    // Without it nobody would see its end.
    why_not.error_message = errno_error("open a pidfd").message();
    return stop(), false;
  }
  in_ = std::move(in->write_end);
  out_ = std::move(out->read_end);
  err_ = std::move(err->read_end);
  for (const UniqueFd* end : {&in_, &out_, &err_}) never_block(end->get());
  incoming_.clear();
  scanned_ = 0;
  why_not = {};
  return true;
}

void CoProcess::stop() {
  if (pid_ <= 0) return;
  in_.reset();
  forget_child(pid_);
  kill_strays();  // it is one now
  out_.reset();
  err_.reset();
  pidfd_.reset();
  pid_ = 0;
}

bool CoProcess::has_ended(int within_ms) const {
  pollfd ended{pidfd_.get(), POLLIN, 0};
  return ::poll(&ended, 1, within_ms) > 0;
}

CallResult CoProcess::converse() {
  for (;;) {
    if (const auto end = incoming_.find('\n', scanned_); end != std::string::npos) {
      std::string line = incoming_.substr(0, end);
      incoming_.erase(0, end + 1);
      scanned_ = 0;
      pump_errors();  // what it wrote before it answered lies in the pipe
      return answer(std::move(line));
    }
    scanned_ = incoming_.size();
    if (incoming_.size() > limits::co_process_reply_bytes_max) {
      stop();
      return {"", "BadReply",
              "the co-process of " + spec_.name + ": its line has over " +
                  std::to_string(limits::co_process_reply_bytes_max >> 20) + " MiB; it was killed"};
    }
    pollfd watched[] = {{outgoing_.empty() ? -1 : in_.get(), POLLOUT, 0},
                        {out_.get(), POLLIN, 0},
                        {err_.get(), POLLIN, 0},
                        {pidfd_.get(), POLLIN, 0}};
    if (::poll(watched, 4, -1) < 0) continue;  // a signal
    if (watched[0].revents && !write_some()) outgoing_.clear();
    if (watched[2].revents) pump_errors();
    // Its end after its answer: the answer counts.
    const bool has_said_all = watched[1].revents && !read_some();
    const bool is_over = watched[3].revents && !watched[1].revents;
    if ((has_said_all || is_over) && incoming_.find('\n', scanned_) == std::string::npos) return died();
  }
}

/// False: it reads no more. It may answer all the same.
bool CoProcess::write_some() {
  // The worker's own dispositions are as the functions left them, usually the defaults.
  const auto before = ::signal(SIGPIPE, SIG_IGN);
  const ssize_t put = ::write(in_.get(), outgoing_.data(), outgoing_.size());
  const int error = errno;
  ::signal(SIGPIPE, before);
  errno = error;
  if (put < 0) return would_block();
  outgoing_.erase(0, static_cast<std::size_t>(put));
  return true;
}

/// False: it has closed its stdout.
bool CoProcess::read_some() {
  char chunk[read_bytes];
  const ssize_t got = ::read(out_.get(), chunk, sizeof chunk);
  if (got < 0) return would_block();
  incoming_.append(chunk, static_cast<std::size_t>(got));
  return got > 0;
}

/// Hands on what lies there now, no more: who writes without end must not keep us.
void CoProcess::pump_errors() {
  int left = 0;
  if (!err_ || ::ioctl(err_.get(), FIONREAD, &left) < 0) return;
  char chunk[4096];
  do {
    const auto wanted = std::clamp<std::size_t>(static_cast<std::size_t>(left), 1, sizeof chunk);
    const ssize_t got = ::read(err_.get(), chunk, wanted);
    if (got == 0) err_.reset();
    if (got <= 0) return;
    (void)write_all(2, {chunk, static_cast<std::size_t>(got)});
    left -= static_cast<int>(got);
  } while (left > 0);
}

CallResult CoProcess::died() {
  pump_errors();
  siginfo_t info{};
  std::string how = "closed its stdout";
  if (has_ended(exit_ms) &&
      ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
      info.si_pid == pid_)
    how = info.si_code == CLD_EXITED ? "exited with " + std::to_string(info.si_status)
                                     : "was ended by " + signal_name(info.si_status);
  const std::string pid = std::to_string(pid_);
  stop();
  return {"", worker_died_type,
          "the co-process of " + spec_.name + " (pid " + pid + ") " + how + " before it had answered"};
}

CallResult CoProcess::answer(std::string line) {
  auto reply = parse_reply(line, id_);
  if (reply) return std::move(*reply);
  stop();
  return {"", "BadReply",
          "the co-process of " + spec_.name + ": " + reply.error().message() + "; it was killed"};
}

}  // namespace tine
