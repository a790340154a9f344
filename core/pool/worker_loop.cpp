#include "core/pool/worker_loop.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>

#include "core/base/bytes.hpp"
#include "core/base/clock.hpp"
#include "core/base/failpoint.hpp"
#include "core/base/file.hpp"
#include "core/pool/call_duty.hpp"
#include "core/pool/command_run.hpp"
#include "core/pool/daemon_link.hpp"
#include "core/pool/function_call.hpp"
#include "core/pool/job_environment.hpp"
#include "core/pool/output_files.hpp"
#include "core/pool/output_pump.hpp"
#include "core/pool/spool.hpp"
#include "core/process/process_tree.hpp"

namespace tine {
namespace {

using Clock = CommandRun::Clock;
constexpr auto redial_interval = std::chrono::milliseconds(100);

class WorkerLoop {
 public:
  explicit WorkerLoop(const WorkerContext& context)
      : context_(context), zygote_(::getppid()), output_(context.setup.state_dir, context.seat.key) {}

  int run() {
    state_dir_ = UniqueFd(::open(context_.setup.state_dir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    null_ = UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC));
    auto spool = Spool::create(context_.setup.state_dir, context_.seat);
    if (!spool || !state_dir_ || !null_) return 1;
    spool_ = std::move(*spool);
    failpoint("worker.born");
    if (link_.dial(state_dir_.get())) say_hello();
    while (!is_done()) step();
    if (spool_->unstored().empty()) {
      output_.remove();
      Spool::remove(context_.setup.state_dir, context_.seat.key);
    }
    return 0;
  }

 private:
  struct Running {
    std::unique_ptr<CommandRun> command;
    Outcome outcome;
    OrderKind kind;
    bool captured;
    std::uint64_t output_max;
    std::vector<OutputPump> pumps;  ///< stdout's and stderr's, where the output is bounded
  };

  bool is_done() const {
    if (running_) return false;
    // Without a daemon there is nothing to wait for: what is unstored lies in the spool for the next one.
    if (!link_.is_open()) return true;
    return leaving_ && spool_->unstored().empty() && !link_.wants_to_write();
  }

  void say_hello() {
    WorkerHello hello{context_.seat.key, context_.seat.pool, context_.seat.slot, ::getpid(), said_hello_};
    said_hello_ = true;
    link_.send(FrameType::hello, encode(hello));
    failpoint("worker.hello");
    for (const auto& record : spool_->unstored()) send_record(record.seq, record.outcome_bytes);
  }

  void send_record(std::uint64_t seq, const std::string& outcome_bytes) {
    ByteWriter out;
    out.number<std::uint64_t>(seq);
    out.string(outcome_bytes);
    link_.send(FrameType::ended, out.bytes());
  }

  void step() {
    pollfd watched[5];
    nfds_t count = 0;
    const int link_at = link_.is_open() ? static_cast<int>(count) : -1;
    if (link_.is_open())
      watched[count++] = {link_.fd(), static_cast<short>(POLLIN | (link_.wants_to_write() ? POLLOUT : 0)), 0};
    const int ended_at = running_ ? static_cast<int>(count) : -1;
    if (running_) watched[count++] = {running_->command->pidfd(), POLLIN, 0};
    const int alive_at = running_ && running_->command->alive_fd() >= 0 ? static_cast<int>(count) : -1;
    if (alive_at >= 0) watched[count++] = {running_->command->alive_fd(), POLLIN, 0};
    if (running_)
      for (const OutputPump& pump : running_->pumps)
        if (pump.fd() >= 0) watched[count++] = {pump.fd(), POLLIN, 0};
    const int ready = ::poll(watched, count, wait_ms());
    if (ready < 0 && errno != EINTR) ::_exit(1);
    if (::getppid() != zygote_) leaving_ = true;
    if (ready > 0 && alive_at >= 0 && watched[alive_at].revents) running_->command->read_alive();
    if (running_ && ready > 0)
      for (OutputPump& pump : running_->pumps) pump.pump();
    if (running_) running_->command->tick();
    if (ready > 0 && link_at >= 0 && watched[link_at].revents) link_.serve(watched[link_at].revents);
    take_frames();
    if (ready > 0 && ended_at >= 0 && watched[ended_at].revents) finish_command();
    if (!link_.is_open() && running_ && Clock::now() >= redial_at_) redial();
  }

  int wait_ms() const {
    std::optional<Clock::time_point> until = running_ ? running_->command->deadline() : std::nullopt;
    if (!link_.is_open() && (!until || redial_at_ < *until)) until = redial_at_;
    if (!until) return -1;
    const auto left = std::chrono::duration_cast<std::chrono::microseconds>(*until - Clock::now()).count();
    return left <= 0 ? 0 : static_cast<int>(std::min<std::int64_t>(left / 1000 + 1, 1 << 30));
  }

  void redial() {
    redial_at_ = Clock::now() + redial_interval;
    if (link_.dial(state_dir_.get())) say_hello();
  }

  void take_frames() {
    while (auto frame = link_.next()) {
      ByteReader in(frame->payload);
      switch (frame->type) {
        case FrameType::start:
          take_order(frame->payload);
          break;
        case FrameType::cancel: {
          const auto job = in.number<JobId>();
          if (running_ && running_->outcome.job == job) running_->command->cancel(in.number<double>());
          break;
        }
        case FrameType::signal: {
          const auto job = in.number<JobId>();
          if (running_ && running_->outcome.job == job) running_->command->signal(in.number<std::int32_t>());
          break;
        }
        case FrameType::pause: {
          const auto job = in.number<JobId>();
          if (running_ && running_->outcome.job == job)
            running_->command->pause(in.number<std::uint8_t>() != 0);
          break;
        }
        case FrameType::stored:
          spool_->mark_stored(in.number<std::uint64_t>());
          break;
        case FrameType::serve_calls:
          serve(frame->payload);
          break;
        case FrameType::leave:
          leaving_ = true;
          break;
        default:
          break;
      }
    }
  }

  void serve(const std::string& payload) {
    CallDuty duty;
    std::vector<UniqueFd> descriptors = link_.take_descriptors(4);
    if (!decode(payload, duty) || descriptors.size() < 3) return;
    UniqueFd errors;
    if (descriptors.size() == 4) errors = std::move(descriptors.back());
    descriptors.resize(3);
    // Where there is no memory for the ring this worker is of no use: another one takes its seat.
    auto ring = CallRing::attach(std::move(descriptors));
    if (!ring) ::_exit(1);
    serve_calls(duty, *ring,
                {context_.functions, output_, context_.setup.socket_path, context_.seat.slot,
                 context_.setup.open_files_soft, null_.get(), link_.fd(), errors.get()});
    ByteWriter out;
    out.number(duty.id);
    link_.send(FrameType::duty_done, out.bytes());
  }

  void take_order(const std::string& payload) {
    StartOrder order;
    if (!decode(payload, order)) return;
    std::vector<UniqueFd> descriptors = link_.take_descriptors(order.descriptors);
    failpoint("worker.received");
    while (spool_->is_full()) wait_for_daemon();  // a function's time-out must find a place for its record
    if (running_ || !spool_->begin(order.job, order.attempt)) {
      if (!running_) spool_->clear_offer();
      return;
    }
    spool_->set_session({});
    failpoint("worker.begun");
    Outcome outcome;
    outcome.job = order.job;
    outcome.attempt = order.attempt;
    outcome.slot = context_.seat.slot;
    outcome.worker_pid = ::getpid();
    outcome.started = now_micros();
    const auto spec = decode_spec(order.spec);
    if (!spec) {
      fail_to_start(outcome, {126, "BadSpec", "the job's specification cannot be read"});
      return record(order.kind, outcome);
    }
    begin(order, *spec, std::move(descriptors), outcome);
  }

  void begin(const StartOrder& order, const JobSpec& spec, std::vector<UniqueFd> descriptors,
             Outcome& outcome) {
    const bool given_away = order.descriptors == 4 && descriptors.size() == 4;
    const bool captured = order.kind == OrderKind::job && !given_away;
    UniqueFd alive, own_in;
    if (descriptors.size() >= 2) alive = std::move(descriptors.back());
    Command command;
    if (auto in = open_stdin(order, spec, descriptors)) {
      own_in = std::move(*in);
    } else {
      fail_to_start(outcome, {126, "StdinUnreadable", in.error().message()});
      return record(order.kind, outcome);
    }
    if (captured)
      if (auto status = output_.prepare(); !status) {
        fail_to_start(outcome, {126, "OutputFailed", status.error().message()});
        return record(order.kind, outcome);
      }
    command.in = own_in.get();
    command.out = given_away ? descriptors[1].get() : captured ? output_.out() : null_.get();
    command.err = given_away ? descriptors[2].get() : captured ? output_.err() : null_.get();
    std::vector<OutputPump> pumps;
    if (captured && spec.max_output_bytes != no_bound && spec.kind == JobKind::command) {
      if (auto status = bound_output(command, spec.max_output_bytes, pumps); !status) {
        fail_to_start(outcome, {126, "OutputFailed", status.error().message()});
        return record(order.kind, outcome);
      }
    }
    command.environment = job_environment(order, spec, context_.setup.socket_path, context_.seat.slot);
    if (spec.kind == JobKind::function) return call(order, spec, command, alive, captured, outcome);
    command.argv = spec.argv;
    command.workdir = spec.workdir;
    command.umask = static_cast<mode_t>(spec.umask);
    command.open_files_soft = context_.setup.open_files_soft;
    command.max_memory_bytes = spec.max_memory_bytes;
    command.nice = spec.nice;
    ExecFailure failure;
    auto spawned = spawn_command(command, failure);
    for (OutputPump& pump : pumps) pump.close_write_end();
    if (!spawned) failure = {126, "ForkFailed", spawned.error().message()};
    if (!spawned || spawned->pid < 0) {
      fail_to_start(outcome, failure);
      return record(order.kind, outcome);
    }
    spool_->set_session({spawned->pid, process_start_ticks(spawned->pid)});
    failpoint("worker.execd");
    auto run = std::make_unique<CommandRun>(std::move(*spawned), std::move(alive), spec.timeout_s,
                                            spec.kill_after_s);
    running_.emplace(Running{std::move(run), std::move(outcome), order.kind, captured, spec.max_output_bytes,
                             std::move(pumps)});
  }

  static Status bound_output(Command& command, std::uint64_t bytes_max, std::vector<OutputPump>& pumps) {
    for (int* stream : {&command.out, &command.err}) {
      auto pump = OutputPump::make(*stream, bytes_max);
      if (!pump) return pump.error();
      *stream = pump->write_end();
      pumps.push_back(std::move(*pump));
    }
    return ok();
  }

  Result<UniqueFd> open_stdin(const StartOrder& order, const JobSpec& spec,
                              std::vector<UniqueFd>& descriptors) {
    if (!descriptors.empty()) return std::move(descriptors.front());
    if (order.kind == OrderKind::callback) {
      UniqueFd memory(::memfd_create("tine-record", MFD_CLOEXEC));
      if (!memory) return errno_error("make the callback's input");
      if (auto status = write_all(memory.get(), order.stdin_bytes); !status) return status.error();
      ::lseek(memory.get(), 0, SEEK_SET);
      return memory;
    }
    const std::string path = spec.stdin_path.empty() ? "/dev/null" : spec.stdin_path;
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return errno_error("stdin " + path);
    return fd;
  }

  void call(const StartOrder& order, const JobSpec& spec, const Command& command, const UniqueFd& alive,
            bool captured, Outcome& outcome) {
    const Functions::Function* function = context_.functions.find(spec.function);
    if (!function) {
      fail_to_start(outcome, {127, "FunctionNotFound", "there is no function " + spec.function});
      return record(order.kind, outcome);
    }
    call_function(*function, spec, {command.environment, command.in, command.out, command.err, alive.get()},
                  *spool_, outcome);
    if (captured) output_.collect(outcome, spec.max_output_bytes);
    record(order.kind, outcome);
  }

  static void fail_to_start(Outcome& outcome, const ExecFailure& failure) {
    outcome.state = JobState::failed;
    outcome.reason = Reason::exec;
    outcome.exit_code = failure.exit_code;
    outcome.error_type = failure.type;
    outcome.error_message = failure.message;
  }

  void finish_command() {
    failpoint("worker.ended");
    Running ended = std::move(*running_);
    ended.command->finish(ended.outcome);
    running_.reset();
    for (OutputPump& pump : ended.pumps) pump.pump();
    if (!ended.pumps.empty()) {
      ended.outcome.stdout_dropped_bytes = ended.pumps[0].dropped_bytes();
      ended.outcome.stderr_dropped_bytes = ended.pumps[1].dropped_bytes();
    }
    if (ended.captured) output_.collect(ended.outcome, ended.output_max);
    record(ended.kind, ended.outcome);
  }

  /// Keeps the end until the store has it. When every place is taken, the daemon's word is waited for.
  void record(OrderKind kind, Outcome& outcome) {
    outcome.finished = now_micros();
    std::string bytes = encode(outcome);
    failpoint("worker.judged");
    for (;;) {
      const auto seq = spool_->append(kind, bytes);
      if (seq) {
        failpoint("worker.recorded");
        spool_->clear_offer();
        send_record(*seq, bytes);
        failpoint("worker.reported");
        return;
      }
      if (spool_->is_full()) {
        wait_for_daemon();
        continue;
      }
      // Too large for a place, and no room on the disk beside it: the end is kept, the result is not.
      if (!outcome.result_json.empty()) outcome.state = JobState::failed;
      outcome.result_json.clear();
      outcome.stdout_inline.clear();
      outcome.stderr_inline.clear();
      outcome.error_type = "ResultLost";
      outcome.error_message = seq.error().message();
      bytes = encode(outcome);
    }
  }

  void wait_for_daemon() {
    if (!link_.is_open()) {
      ::poll(nullptr, 0, static_cast<int>(redial_interval.count()));
      redial();
      return;
    }
    // Only `stored` is taken: an order or `leave` stays where it is until the record has its place.
    pollfd watched{link_.fd(), static_cast<short>(POLLIN | (link_.wants_to_write() ? POLLOUT : 0)), 0};
    if (::poll(&watched, 1, 1000) > 0) link_.serve(watched.revents);
    while (link_.peek() == FrameType::stored)
      spool_->mark_stored(ByteReader(link_.next()->payload).number<std::uint64_t>());
  }

  const WorkerContext& context_;
  pid_t zygote_;
  UniqueFd state_dir_, null_;
  std::unique_ptr<Spool> spool_;
  OutputFiles output_;
  DaemonLink link_;
  std::optional<Running> running_;
  Clock::time_point redial_at_{};
  bool said_hello_ = false;
  bool leaving_ = false;
};

}  // namespace

int run_worker(const WorkerContext& context) {
  ::prctl(PR_SET_NAME, "tine-worker");
  if (!become_subreaper() || ::chdir("/") < 0) return 1;
  return WorkerLoop(context).run();
}

}  // namespace tine
