#include "core/pool/coroutine_worker.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "core/base/bytes.hpp"
#include "core/base/clock.hpp"
#include "core/base/failpoint.hpp"
#include "core/pool/call_arguments.hpp"
#include "core/pool/call_ring.hpp"
#include "core/pool/call_task.hpp"
#include "core/pool/worker_desk.hpp"
#include "core/process/process_tree.hpp"

namespace tine {
namespace {

constexpr Instant redial_interval_ns = 100'000'000;
/// A result goes to the daemon in one frame, with what else its record says.
constexpr std::size_t result_bytes_max = frame_payload_bytes_max - (1u << 20);

/// A job or a call at its place.
struct Placed {
  std::uint32_t place = 0;
  CallTask task;
  bool is_call = false;
  Outcome outcome;    ///< a job's
  TaskAnswer answer;  ///< a call's; session 0: nobody waits for it
};

class CoroutineWorker {
 public:
  explicit CoroutineWorker(const WorkerContext& context)
      : context_(context), desk_(context), places_(context.seat.tasks) {}

  int run() {
    if (!desk_.open()) return 1;
    scheduler_.publish(desk_.spool().pulse());
    while (busy_ > 0 || !desk_.is_done()) step();
    desk_.close();
    return 0;
  }

 private:
  /// The thread's program waits here, and the tasks run meanwhile.
  void step() {
    DescriptorWait wait;
    wait.fd = desk_.link().is_open() ? desk_.link().fd() : -1;
    wait.events = POLLIN | (desk_.link().wants_to_write() ? POLLOUT : 0);
    if (!scheduler_.wait_descriptors(&wait, 1, desk_.link().is_open() ? never : redial_at_)) ::_exit(1);
    desk_.look_at_zygote();
    if (desk_.link().is_open()) {
      desk_.link().serve(POLLIN | POLLOUT);
      if (!desk_.link().is_open()) lost_daemon();
    }
    take_frames();
    record_unbegun();
    if (busy_ == 0 && (::waitpid(-1, nullptr, WNOHANG) >= 0 || errno != ECHILD)) kill_strays();
    if (!desk_.link().is_open() && now() >= redial_at_) redial();
  }

  /// Calls are held by clients of the daemon that has gone; jobs are not.
  void lost_daemon() {
    for (const auto& placed : places_)
      if (placed && placed->is_call) {
        placed->answer.session = 0;
        placed->task.cancel();
      }
  }

  void redial() {
    redial_at_ = now() + redial_interval_ns;
    desk_.redial();
  }

  // ---- frames

  void take_frames() {
    while (auto frame = desk_.link().next()) {
      ByteReader in(frame->payload);
      switch (frame->type) {
        case FrameType::start:
          take_order(frame->payload);
          break;
        case FrameType::call:
          take_call(frame->payload);
          break;
        case FrameType::cancel:
          if (Placed* placed = placed_job(in.number<JobId>())) placed->task.cancel();
          break;
        case FrameType::end_call: {
          const auto place = in.number<std::uint32_t>();
          Placed* placed = place < places_.size() ? places_[place].get() : nullptr;
          if (placed && placed->is_call && placed->answer.session == in.number<std::uint64_t>())
            placed->task.cancel();
          break;
        }
        case FrameType::stored:
          mark_stored(in.number<std::uint64_t>());
          break;
        case FrameType::leave:
          desk_.leave();
          break;
        default:
          break;
      }
    }
  }

  Placed* placed_job(JobId job) const {
    for (const auto& placed : places_)
      if (placed && !placed->is_call && placed->outcome.job == job) return placed.get();
    return nullptr;
  }

  void mark_stored(std::uint64_t seq) {
    const auto before = desk_.spool().stored();
    desk_.spool().mark_stored(seq);
    for (auto freed = before; freed < seq; ++freed) room_in_spool_.wake_one();
  }

  /// nullptr: somebody sits at that place, which no daemon asks for.
  Placed* take_place(std::uint32_t place) {
    if (place >= places_.size() || places_[place]) return nullptr;
    places_[place] = std::make_unique<Placed>();
    places_[place]->place = place;
    ++busy_;
    return places_[place].get();
  }

  void free_place(const Placed& placed) {
    places_[placed.place].reset();
    --busy_;
    if (busy_ == 0 || desk_.link().wants_to_write()) scheduler_.wake(program_);
  }

  /// Tells record_unbegun() of a task that found no memory for its stack, which is dropped without having
  /// run.
  struct Beginning {
    CoroutineWorker& worker;
    Placed* placed;
    Beginning(CoroutineWorker& its_worker, Placed* whose) : worker(its_worker), placed(whose) {}
    Beginning(Beginning&& other) noexcept
        : worker(other.worker), placed(std::exchange(other.placed, nullptr)) {}
    ~Beginning() {
      if (!placed) return;
      worker.unbegun_.push_back(placed);
      worker.scheduler_.wake(worker.program_);
    }
  };

  template <class Body>
  void start(Placed& placed, Body body) {
    program_.label = placed.place + 1;
    spawn([this, beginning = Beginning(*this, &placed), body = std::move(body)]() mutable {
      Placed& begun = *std::exchange(beginning.placed, nullptr);
      body(begun);
    });
    program_.label = 0;
  }

  void record_unbegun() {
    while (!unbegun_.empty() && !desk_.spool().is_full()) {
      Placed& placed = *unbegun_.back();
      unbegun_.pop_back();
      const CallResult result{"", "OutOfMemory", "no memory for the stack of a task"};
      placed.is_call ? answer(placed, result) : end_job(placed, result);
    }
  }

  // ---- calls

  void take_call(const std::string& payload) {
    auto call = std::make_unique<TaskCall>();
    if (!decode(payload, *call)) return;
    Placed* const placed = take_place(call->place);
    if (!placed) return;
    placed->is_call = true;
    placed->answer.place = call->place;
    placed->answer.session = call->session;
    placed->answer.index = call->index;
    start(*placed, [this, call = std::move(call)](Placed& begun) { answer(begun, run_call(begun, *call)); });
  }

  CallResult run_call(Placed& placed, const TaskCall& call) {
    CallResult result;
    const auto* const function = context_.functions.find(call.function);
    if (!function) return {"", "FunctionNotFound", "there is no function " + call.function};
    const auto args = call_arguments(call.text,
                                     call.is_text   ? CallText::text
                                     : call.is_star ? CallText::array
                                                    : CallText::value,
                                     result);
    return args.empty() ? result : placed.task.run(*function, args, 0);
  }

  void answer(Placed& placed, CallResult result) {
    limit(result);
    placed.answer.is_error = !result.error_type.empty();
    placed.answer.bytes = placed.answer.is_error ? encode_error(result.error_type, result.error_message)
                                                 : std::move(result.result_json);
    if (placed.answer.session != 0) desk_.link().send(FrameType::answered, encode(placed.answer));
    free_place(placed);
  }

  static void limit(CallResult& result) {
    if (result.result_json.size() <= result_bytes_max) return;
    result = {"", "ResultTooLarge",
              "the result has over " + std::to_string(result_bytes_max) + " bytes; allowed: at most that"};
  }

  // ---- jobs

  void take_order(const std::string& payload) {
    auto order = std::make_unique<StartOrder>();
    if (!decode(payload, *order)) return;
    std::vector<UniqueFd> descriptors = desk_.link().take_descriptors(order->descriptors);
    failpoint("worker.received");
    if (order->place >= places_.size() || places_[order->place]) return;
    if (!desk_.spool().begin(order->job, order->attempt, order->place))
      return desk_.spool().clear_offer(order->place);
    failpoint("worker.begun");
    Placed& placed = *take_place(order->place);
    placed.outcome.job = order->job;
    placed.outcome.attempt = order->attempt;
    placed.outcome.slot = context_.seat.slot;
    placed.outcome.worker_pid = ::getpid();
    placed.outcome.started = now_micros();
    // Of a caller's descriptors only the last is of use: the pipe that ends with it.
    UniqueFd alive;
    if (!descriptors.empty()) alive = std::move(descriptors.back());
    start(placed, [this, order = std::move(order), alive = std::move(alive)](Placed& begun) mutable {
      end_job(begun, run_job(begun, *order, alive));
    });
  }

  CallResult run_job(Placed& placed, const StartOrder& order, const UniqueFd& alive) {
    const auto spec = decode_spec(order.spec);
    const auto* const function = spec ? context_.functions.find(spec->function) : nullptr;
    if (!function) {
      placed.outcome.reason = Reason::exec;
      placed.outcome.exit_code = spec ? 127 : 126;
      return spec ? CallResult{"", "FunctionNotFound", "there is no function " + spec->function}
                  : CallResult{"", "BadSpec", "the job's specification cannot be read"};
    }
    if (!alive) return placed.task.run(*function, spec->args_json, spec->timeout_s);
    const auto watch = spawn([&] { watch_caller(placed.task, alive.get()); });
    CallResult result = placed.task.run(*function, spec->args_json, spec->timeout_s);
    watch.kill();
    return result;
  }

  /// The caller's end of the pipe tells signals, and by its close the caller's death.
  static void watch_caller(CallTask& task, int alive) {
    for (;;) {
      unsigned char signal = 0;
      const ssize_t got = ::read(alive, &signal, 1);
      if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (got <= 0 || signal == SIGINT || signal == SIGTERM || signal == SIGQUIT || signal == SIGHUP)
        return task.cancel();
    }
  }

  void end_job(Placed& placed, CallResult result) {
    limit(result);
    Outcome& outcome = placed.outcome;
    const bool succeeded = result.error_type.empty();
    outcome.state = succeeded ? JobState::succeeded : JobState::failed;
    if (succeeded) {
      outcome.reason = Reason::exit;
      outcome.exit_code = 0;
    } else if (outcome.reason != Reason::exec) {
      outcome.reason = Reason::exception;
    }
    outcome.result_json = std::move(result.result_json);
    outcome.error_type = std::move(result.error_type);
    outcome.error_message = std::move(result.error_message);
    if (placed.task.end() != CallTask::End::own) stopped(outcome, placed.task.end());
    record(placed);
    free_place(placed);
  }

  static void stopped(Outcome& outcome, CallTask::End why) {
    outcome.state = why == CallTask::End::timed_out ? JobState::timed_out : JobState::cancelled;
    outcome.reason = why == CallTask::End::timed_out ? Reason::timeout : Reason::cancelled;
    outcome.exit_code.reset();
    outcome.result_json.clear();
    outcome.error_type.clear();
    outcome.error_message.clear();
  }

  /// Keeps the end until the store has it; waits for a place in the spool.
  void record(Placed& placed) {
    Outcome& outcome = placed.outcome;
    outcome.finished = now_micros();
    failpoint("worker.judged");
    while (desk_.spool().is_full()) room_in_spool_.wait_uninterrupted();
    desk_.record(OrderKind::job, outcome, placed.place);
  }

  const WorkerContext& context_;
  WorkerDesk desk_;
  Scheduler& scheduler_ = Scheduler::here();
  Party& program_ = scheduler_.running();
  std::vector<std::unique_ptr<Placed>> places_;
  std::vector<Placed*> unbegun_;
  std::size_t busy_ = 0;  ///< places that are taken
  coroutine_detail::WaitQueue room_in_spool_;
  Instant redial_at_ = 0;
};

}  // namespace

int run_coroutine_worker(const WorkerContext& context, UniqueFd prints) {
  ::prctl(PR_SET_NAME, "tine-coroutine");
  if (!become_subreaper() || ::chdir("/") < 0) return 1;
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null) return 1;
  ::dup2(null.get(), 0);
  for (const int fd : {1, 2}) ::dup2(prints ? prints.get() : null.get(), fd);
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);  // a line is for the log when it is printed
  ::signal(SIGPIPE, SIG_IGN);                     // of the log too, which ends with its daemon
  prints.reset();
  const int status = CoroutineWorker(context).run();
  std::fflush(nullptr);
  return status;
}

}  // namespace tine
