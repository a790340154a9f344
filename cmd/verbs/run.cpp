#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <nlohmann/json.hpp>
#include <vector>

#include "cmd/job_record.hpp"
#include "cmd/job_spec.hpp"
#include "cmd/outliving.hpp"
#include "cmd/print_json.hpp"
#include "cmd/verbs/verbs.hpp"
#include "core/base/file.hpp"

namespace tine::cmd {
namespace {

using ipc::Json;
using Clock = std::chrono::steady_clock;

constexpr int watched_signals[] = {SIGINT,  SIGTERM, SIGQUIT, SIGHUP, SIGWINCH,
                                   SIGUSR1, SIGUSR2, SIGCONT, SIGTSTP};

bool ends_us(int signal) {
  return signal == SIGINT || signal == SIGTERM || signal == SIGQUIT || signal == SIGHUP;
}

/// Turns the signals into bytes to read. One that is ignored (nohup, a shell's `&`) stays ignored: blocked,
/// it would arrive here all the same.
UniqueFd watch_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : watched_signals) {
    struct sigaction now {};
    if (::sigaction(signal, nullptr, &now) == 0 && now.sa_handler == SIG_IGN) continue;
    sigaddset(&set, signal);
  }
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  return UniqueFd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

/// What the descriptors of a `run` are, in their order: JSON text.
std::string names_of(std::size_t descriptors) {
  return descriptors == 2 ? R"(["stdin","alive"])" : R"(["stdin","stdout","stderr","alive"])";
}

/// One foreground job, from the request to its record. Its life hangs on the write end of the alive pipe: a
/// byte in it is a signal for the job, its end is our death.
class Foreground {
 public:
  Foreground(Reached& daemon, UniqueFd signals) : daemon_(daemon), signals_(std::move(signals)) {}

  /// `params` as text; `descriptors`: what becomes the job's 0, 1 and 2, or 0 alone. They stay open.
  Status send(const std::string& params, std::vector<int> descriptors) {
    auto pipe = make_pipe();
    if (!pipe) return pipe.error();
    theirs_ = std::move(pipe->read_end);
    alive_ = std::move(pipe->write_end);
    never_block(alive_.get());  // a job that is stopped must not stop us
    descriptors_ = std::move(descriptors);
    descriptors_.push_back(theirs_.get());
    return daemon_.client.send("run", params, descriptors_);
  }

  /// Errors: Errc::unavailable; what the daemon says. `exit_now_` is not 0 after a signal ended us.
  Result<Json> record() {
    for (;;) {
      if (daemon_.client.has_line()) {
        auto message = daemon_.client.take_line();
        if (!message) return message.error();
        if (message->is_null()) continue;
        if (!ipc::Client::is_notification(*message)) return taken_out(ipc::Client::result_of(*message));
        note(*message);
        continue;
      }
      if (const auto passed = pause(); !passed) return passed.error();
      if (exit_now_) return Json();
    }
  }

  int exit_now() const { return exit_now_; }

 private:
  void note(const Json& message) {
    const auto& method = message.at("method");
    if (method == "job.submitted" || method == "job.started") {
      if (message.contains("params")) id_ = id_of(message["params"]);
    }
    if (method != "job.started") return;
    started_ = true;
    theirs_.reset();
    for (const int signal : held_back_) deliver(signal);
    held_back_.clear();
  }

  /// The reply of `wait`, asked after a loss, has the record in a list.
  static Result<Json> taken_out(Result<Json> reply) {
    if (!reply || !reply->contains("jobs")) return reply;
    auto& jobs = (*reply)["jobs"];
    if (!jobs.is_array() || jobs.empty())
      return make_error(Errc::internal, "the daemon's reply has no job record");
    return Json(std::move(jobs.front()));
  }

  /// Until something happens: a signal, bytes from the daemon, its loss, or its return.
  Status pause() {
    const bool open = daemon_.client.is_open();
    pollfd waits[] = {{signals_.get(), POLLIN, 0}, {daemon_.client.descriptor(), POLLIN, 0}};
    ::poll(waits, open ? 2 : 1, open ? -1 : static_cast<int>(redial_every.count()));
    if (waits[0].revents) take_signals();
    if (exit_now_) return ok();
    if (!open) return look_again();
    if (!waits[1].revents) return ok();
    const bool heard = daemon_.client.daemon_pid() != 0;
    if (const auto received = daemon_.client.receive(); !received) return lost(received.error(), heard);
    return ok();
  }

  Status lost(const Error& error, bool heard) {
    if (id_ == 0)
      return error;  // nobody knows whether there is a job; our end of the pipe ends it if there is
    if (heard || deadline_ == Clock::time_point{}) deadline_ = Clock::now() + redial_for;
    return ok();
  }

  Status look_again() {
    if (Clock::now() >= deadline_)
      return make_error(Errc::unavailable,
                        "the daemon went away, and none answered at " + daemon_.socket + " for 10 s");
    auto client = ipc::Client::connect(daemon_.socket);
    if (!client) return ok();
    daemon_.client = std::move(*client);
    const auto id = std::to_string(id_);
    // What the old daemon held of us died with it: a job that has not begun needs it again.
    if (!started_)
      return daemon_.client.send(
          "run", R"({"resume":)" + id + R"(,"descriptors":)" + names_of(descriptors_.size()) + "}",
          descriptors_);
    return daemon_.client.send("wait", R"({"ids":[)" + id + R"(],"records":true})");
  }

  void take_signals() {
    signalfd_siginfo info;
    while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
      const int signal = static_cast<int>(info.ssi_signo);
      if (!started_ && ends_us(signal)) {
        exit_now_ = 128 + signal;
        return;
      }
      if (started_)
        deliver(signal);
      else if (signal == SIGUSR1 || signal == SIGUSR2)
        held_back_.push_back(signal);
      if (signal == SIGTSTP) ::raise(SIGSTOP);
    }
  }

  /// The job's session has no terminal, where the kernel drops TSTP: STOP does what the user meant.
  void deliver(int signal) {
    const auto byte = static_cast<unsigned char>(signal == SIGTSTP ? SIGSTOP : signal);
    (void)!::write(alive_.get(), &byte, 1);
  }

  Reached& daemon_;
  UniqueFd signals_, alive_;
  UniqueFd theirs_;  ///< the read end of the alive pipe, until the job has it
  std::vector<int> descriptors_;
  std::vector<int> held_back_;  ///< came before there was a process to take them
  std::uint64_t id_ = 0;        ///< 0: not told yet
  bool started_ = false;
  int exit_now_ = 0;
  Clock::time_point deadline_{};  ///< of the search for a lost daemon
};

int tell_end(const Json& record, const Invocation& invocation) {
  const int code = exit_code_of_record(record);
  if (invocation.json) {
    const int printed = print_json(record);
    return printed ? printed : code;
  }
  if (const auto error = error_text(record); !error.empty()) (void)write_all(2, "tine run: " + error + "\n");
  if (!is_function(record) || !succeeded(record)) return code;
  const auto result = record.find("result");
  const int printed = print_json(result == record.end() ? Json() : *result);
  return printed ? printed : code;
}

}  // namespace

int run(Invocation& invocation) {
  SpecWords words;
  Options options(
      invocation, "run -- CMD ARG...  |  --shell 'STRING'  |  --fn NAME [--args JSON]",
      "Runs a job in the foreground, with our stdin, stdout and stderr, and exits with its code.");
  declare(options, words);
  if (const auto over = options.parse()) return *over;
  std::string request;
  ipc::ObjectText params(request);
  if (const auto put = put_spec(params, words, options.free_words()); !put)
    return fail(invocation, put.error());
  UniqueFd input;
  if (words.stdin_from && *words.stdin_from != "-") {
    auto file = open_stdin_file(*words.stdin_from);
    if (!file) return fail(invocation, file.error());
    ::fcntl(file->get(), F_SETFL, 0);  // the job expects a read that waits
    input = std::move(*file);
  }

  auto daemon = reach_daemon(invocation, Autostart::allowed);
  if (daemon.exit_code) return daemon.exit_code;
  std::vector<int> descriptors{input ? input.get() : 0};
  if (!invocation.json) descriptors.insert(descriptors.end(), {1, 2});
  params.member("descriptors") += names_of(invocation.json ? 2 : 4);
  put_surroundings(params, words.clean_env);
  params.end();

  Foreground job(daemon, watch_signals());
  if (const auto sent = job.send(request, descriptors); !sent) return fail(invocation, sent.error());
  const auto record = job.record();
  if (job.exit_now()) return job.exit_now();
  if (!record) return fail(invocation, record.error());
  return tell_end(*record, invocation);
}

}  // namespace tine::cmd
