#include "core/pool/worker_loop.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <deque>

#include "core/base/bytes.hpp"
#include "core/base/clock.hpp"
#include "core/base/failpoint.hpp"
#include "core/base/file.hpp"
#include "core/pool/call_duty.hpp"
#include "core/pool/command_run.hpp"
#include "core/pool/function_call.hpp"
#include "core/pool/job_environment.hpp"
#include "core/pool/output_files.hpp"
#include "core/pool/output_pump.hpp"
#include "core/pool/worker_desk.hpp"
#include "core/process/child_bell.hpp"
#include "core/process/process_tree.hpp"

namespace tine {
namespace {

using Clock = CommandRun::Clock;
constexpr auto redial_interval = std::chrono::milliseconds(100);
/// So long an end may wait for company on its way to the daemon, while the next job runs.
constexpr auto tell_interval = std::chrono::milliseconds(5);

class WorkerLoop {
 public:
  explicit WorkerLoop(const WorkerContext& context)
      : context_(context),
        desk_(context),
        environments_(context.setup.socket_path, context.seat.slot),
        output_(context.setup.state_dir, context.seat.key) {}

  int run() {
    null_ = UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC));
    no_input_ = UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!null_ || !no_input_ || !desk_.open()) return 1;
    while (running_ || !desk_.is_done()) step();
    if (desk_.is_cleared()) output_.remove();
    desk_.close();
    return 0;
  }

 private:
  struct Running {
    std::unique_ptr<CommandRun> command;
    Outcome outcome;
    OrderKind kind;
    std::uint32_t place;
    bool captured;
    std::uint64_t output_max;
    std::vector<OutputPump> pumps;  ///< stdout's and stderr's, where the output is bounded
  };

  /// What is to be begun when what runs has ended.
  struct Waiting {
    StartOrder order;
    std::vector<UniqueFd> descriptors;
  };

  void step() {
    pollfd watched[4];
    nfds_t count = 0;
    const int link_at = desk_.link().is_open() ? static_cast<int>(count) : -1;
    if (desk_.link().is_open())
      watched[count++] = {desk_.link().fd(),
                          static_cast<short>(POLLIN | (desk_.link().wants_to_write() ? POLLOUT : 0)), 0};
    const int alive_at = running_ && running_->command->alive_fd() >= 0 ? static_cast<int>(count) : -1;
    if (alive_at >= 0) watched[count++] = {running_->command->alive_fd(), POLLIN, 0};
    if (running_)
      for (const OutputPump& pump : running_->pumps)
        if (pump.fd() >= 0) watched[count++] = {pump.fd(), POLLIN, 0};
    const int ready = bell_.poll(watched, count, wait_ms());
    if (ready < 0 && errno != EINTR) ::_exit(1);
    desk_.look_at_zygote();
    if (ready > 0 && alive_at >= 0 && watched[alive_at].revents) running_->command->read_alive();
    if (running_ && ready > 0)
      for (OutputPump& pump : running_->pumps) pump.pump();
    if (running_) running_->command->tick();
    if (ready > 0 && link_at >= 0 && watched[link_at].revents) desk_.link().serve(watched[link_at].revents);
    take_frames();
    if (running_ && running_->command->has_ended()) finish_command();
    if (!desk_.link().is_open()) line_.clear();  // the next daemon takes them back: their words say offered
    begin_next();
    if (desk_.link().has_later() && (line_.size() <= line_full_ / 3 || Clock::now() >= tell_at_)) tell();
    if (!desk_.link().is_open() && running_ && Clock::now() >= redial_at_) redial();
    follow_daemon();
  }

  /// What a bound needs as daemons come and go: see MemoryGroup. A daemon that is back at once needs none
  /// lifted.
  void follow_daemon() {
    const int daemon = desk_.link().is_open() ? desk_.link().dials() : 0;
    MemoryGroup* const group = running_ ? running_->command->group() : nullptr;
    if (std::exchange(daemon_, daemon) == daemon || !group) return;
    (void)(daemon ? group->bound() : group->lift());
  }

  int wait_ms() const {
    // wait_for_daemon() may have read more than it takes: the socket, empty by then, would not wake us for
    // it.
    if (desk_.link().peek()) return 0;
    std::optional<Clock::time_point> until = running_ ? running_->command->deadline() : std::nullopt;
    if (!desk_.link().is_open() && (!until || redial_at_ < *until)) until = redial_at_;
    if (desk_.link().has_later() && (!until || tell_at_ < *until)) until = tell_at_;
    if (!until) return -1;
    const auto left = std::chrono::duration_cast<std::chrono::microseconds>(*until - Clock::now()).count();
    return left <= 0 ? 0 : static_cast<int>(std::min<std::int64_t>(left / 1000 + 1, 1 << 30));
  }

  /// In time for the daemon to send more, while there still is some.
  void tell() {
    desk_.link().flush();
    line_full_ = line_.size();
  }

  void redial() {
    redial_at_ = Clock::now() + redial_interval;
    desk_.redial();
  }

  void take_frames() {
    while (auto frame = desk_.link().next()) {
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
          desk_.spool().mark_stored(in.number<std::uint64_t>());
          break;
        case FrameType::serve_calls:
          serve(frame->payload);
          break;
        case FrameType::leave:
          desk_.leave();
          break;
        default:
          break;
      }
    }
  }

  void serve(const std::string& payload) {
    CallDuty duty;
    std::vector<UniqueFd> descriptors = desk_.link().take_descriptors(4);
    if (!decode(payload, duty) || descriptors.size() < 3) return;
    UniqueFd errors;
    if (descriptors.size() == 4) errors = std::move(descriptors.back());
    descriptors.resize(3);
    // Where there is no memory for the ring this worker is of no use: another one takes its seat.
    auto ring = CallRing::attach(std::move(descriptors));
    if (!ring) ::_exit(1);
    const ChildBell::Off as_usual(bell_);
    serve_calls(duty, *ring,
                {context_.functions, output_, context_.setup.socket_path, context_.seat.slot,
                 context_.setup.open_files_soft, null_.get(), desk_.link().fd(), errors.get()});
    ByteWriter out;
    out.number(duty.id);
    desk_.link().send(FrameType::duty_done, out.bytes());
  }

  void take_order(const std::string& payload) {
    Waiting next;
    if (!decode(payload, next.order)) return;
    next.descriptors = desk_.link().take_descriptors(next.order.descriptors);
    // Here, and not when it is begun: it may be taken back, and the one behind it go without.
    if (next.order.environment) environment_ = next.order.environment;
    next.order.environment = environment_;
    line_.push_back(std::move(next));
    line_full_ = line_.size();
    begin_next();
  }

  void begin_next() {
    while (!running_ && !line_.empty()) {
      Waiting next = std::move(line_.front());
      line_.pop_front();
      take(next.order, std::move(next.descriptors));
    }
  }

  void take(StartOrder& order, std::vector<UniqueFd> descriptors) {
    failpoint("worker.received");
    wait_for_place();  // a function's time-out must find one for its record
    if (order.place >= desk_.spool().offers()) return;
    if (!desk_.spool().begin(order.job, order.attempt, order.place))
      return desk_.spool().clear_offer(order.place);
    desk_.spool().session_begins();
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
      return record(order, outcome);
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
      return record(order, outcome);
    }
    if (captured)
      if (auto status = output_.prepare(); !status) {
        fail_to_start(outcome, {126, "OutputFailed", status.error().message()});
        return record(order, outcome);
      }
    command.in = own_in ? own_in.get() : no_input_.get();
    command.out = given_away ? descriptors[1].get() : captured ? output_.out() : null_.get();
    command.err = given_away ? descriptors[2].get() : captured ? output_.err() : null_.get();
    std::vector<OutputPump> pumps;
    if (captured && spec.max_output_bytes != no_bound && spec.kind == JobKind::command) {
      if (auto status = bound_output(command, spec.max_output_bytes, pumps); !status) {
        fail_to_start(outcome, {126, "OutputFailed", status.error().message()});
        return record(order, outcome);
      }
    }
    command.environment = environments_.of(order, spec);
    if (spec.kind == JobKind::function) return call(order, spec, command, alive, captured, outcome);
    command.argv = spec.argv;
    command.workdir = spec.workdir;
    command.umask = static_cast<mode_t>(spec.umask);
    command.open_files_soft = context_.setup.open_files_soft;
    command.nice = spec.nice;
    std::unique_ptr<MemoryGroup> group;
    if (auto status = bound_memory(command, spec.max_memory_bytes, group); !status) {
      fail_to_start(outcome, {126, "LimitRefused", "max_memory: " + status.error().message()});
      return record(order, outcome);
    }
    command.on_session_argument = &desk_.spool();
    command.on_session = [](void* spool) { static_cast<Spool*>(spool)->session_is_led_by(::getpid()); };
    ExecFailure failure;
    auto spawned = spawn_command(command, failure);
    for (OutputPump& pump : pumps) pump.close_write_end();
    if (!spawned) failure = {126, "ForkFailed", spawned.error().message()};
    if (!spawned || *spawned < 0) {
      fail_to_start(outcome, failure);
      return record(order, outcome);
    }
    failpoint("worker.execd");
    auto run = std::make_unique<CommandRun>(*spawned, std::move(alive), std::move(group), spec.timeout_s,
                                            spec.kill_after_s);
    running_.emplace(Running{std::move(run), std::move(outcome), order.kind, order.place, captured,
                             spec.max_output_bytes, std::move(pumps)});
  }

  /// The whole job by a group of its own where there can be one, else each of its processes.
  Status bound_memory(Command& command, std::uint64_t bytes_max, std::unique_ptr<MemoryGroup>& group) {
    if (bytes_max == no_bound || context_.setup.memory_groups.empty()) {
      command.max_memory_bytes = bytes_max;
      return ok();
    }
    auto made = MemoryGroup::make(context_.setup.memory_groups, context_.seat.key, bytes_max);
    if (!made) return made.error();
    group = std::move(*made);
    command.group = group->entrance();
    return ok();
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

  /// Nothing: no_input_.
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
    if (spec.stdin_path.empty()) return UniqueFd();
    UniqueFd fd(::open(spec.stdin_path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return errno_error("stdin " + spec.stdin_path);
    return fd;
  }

  void call(const StartOrder& order, const JobSpec& spec, const Command& command, const UniqueFd& alive,
            bool captured, Outcome& outcome) {
    const Functions::Function* function = context_.functions.find(spec.function);
    if (!function) {
      fail_to_start(outcome, {127, "FunctionNotFound", "there is no function " + spec.function});
      return record(order, outcome);
    }
    desk_.link().flush();  // nobody can while it runs
    const ChildBell::Off as_usual(bell_);
    call_function(*function, spec, {command.environment, command.in, command.out, command.err, alive.get()},
                  desk_.spool(), outcome);
    if (captured) output_.collect(outcome, spec.max_output_bytes);
    record(order, outcome);
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
    record(ended.kind, ended.place, ended.outcome);
  }

  void record(const StartOrder& order, Outcome& outcome) { record(order.kind, order.place, outcome); }
  void record(OrderKind kind, std::uint32_t place, Outcome& outcome) {
    outcome.finished = now_micros();
    failpoint("worker.judged");
    wait_for_place();
    if (!desk_.link().has_later()) tell_at_ = Clock::now() + tell_interval;
    desk_.record(kind, outcome, place, !line_.empty());
  }

  /// When every place is taken, the daemon's word is waited for.
  void wait_for_place() {
    while (desk_.spool().waits_while_full()) wait_for_daemon();
  }

  void wait_for_daemon() {
    desk_.link().flush();
    if (!desk_.link().is_open()) {
      ::poll(nullptr, 0, static_cast<int>(redial_interval.count()));
      redial();
      return;
    }
    // Only `stored` is taken: an order or `leave` stays where it is until the record has its place.
    pollfd watched{desk_.link().fd(),
                   static_cast<short>(POLLIN | (desk_.link().wants_to_write() ? POLLOUT : 0)), 0};
    if (::poll(&watched, 1, 1000) > 0) desk_.link().serve(watched.revents);
    while (desk_.link().peek() == FrameType::stored)
      desk_.spool().mark_stored(ByteReader(desk_.link().next()->payload).number<std::uint64_t>());
  }

  const WorkerContext& context_;
  const ChildBell bell_;
  WorkerDesk desk_;
  UniqueFd null_, no_input_;
  JobEnvironments environments_;
  std::shared_ptr<const std::string> environment_;  ///< of the last order that came
  OutputFiles output_;
  std::optional<Running> running_;
  std::deque<Waiting> line_;
  std::size_t line_full_ = 0;    ///< how long it was when the daemon and this worker last said something
  Clock::time_point tell_at_{};  ///< when what has ended is told at the latest
  Clock::time_point redial_at_{};
  int daemon_ = 0;  ///< the dial that it answers, 0: none
};

}  // namespace

int run_worker(const WorkerContext& context) {
  ::prctl(PR_SET_NAME, "tine-worker");
  if (!become_subreaper() || ::chdir("/") < 0) return 1;
  return WorkerLoop(context).run();
}

}  // namespace tine
