#include <poll.h>
#include <sched.h>
#include <signal.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <tine/errors.hpp>
#include <tine/pool_core.hpp>
#include <vector>

#include "core/base/exception_text.hpp"
#include "core/pool/call_ring.hpp"
#include "core/pool/fork_generation.hpp"
#include "core/pool/pool_call.hpp"
#include "core/pool/pool_worker.hpp"
#include "core/pool/pool_zygote.hpp"
#include "core/pool/wait_word.hpp"

namespace tine::pool_detail {
namespace {

constexpr const char* terminated_text = "the pool was terminated";
constexpr const char* broken_text = "the pool's zygote died";

unsigned cpus() {
  cpu_set_t mine;
  return ::sched_getaffinity(0, sizeof mine, &mine) == 0 ? static_cast<unsigned>(CPU_COUNT(&mine)) : 1;
}

template <class T>
T or_throw(Result<T> result) {
  if (!result) throw std::system_error(result.error().code, result.error().context);
  return std::move(*result);
}

/// A thread that runs none of the program's signal handlers.
template <class F>
std::thread quiet_thread(F body) {
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(std::move(body));
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

}  // namespace

enum class Phase { open, closed, terminated };
using Calls = std::vector<std::shared_ptr<Call>>;

/// Threads: whoever submits; the receiver, which takes answers and buries workers and never waits for a
/// program's code; the one that runs callbacks. apply() takes its answer itself: one wake less.
struct Core::State {
  State(unsigned workers, CallRing made) : ring(std::move(made)), size(workers) {}

  CallRing ring;
  unsigned size;
  const std::uint64_t generation = fork_generation();
  std::optional<PoolZygote> zygote;
  Core* core = nullptr;

  std::mutex mutex;  ///< of all down to `ending`, and of the ring's caller side
  std::condition_variable changed;
  Phase phase = Phase::open;
  bool broken = false;                         ///< the zygote is dead
  std::size_t outstanding = 0;                 ///< calls without an answer, or whose callback has not run
  std::deque<std::shared_ptr<Call>> backlog;   ///< no slot was free
  std::vector<std::shared_ptr<Call>> in_slot;  ///< by slot; none: an apply() waits there
  std::vector<std::uint32_t> answered;         ///< for collect()
  std::mutex ending;                           ///< held by the one thread that ends zygote and receiver
  bool ended = false;

  std::mutex callback_mutex;  ///< of the next three
  std::condition_variable callback_due;
  Calls due;
  bool no_more_callbacks = false;
  std::atomic<bool> drop_callbacks{false}, stop_receiver{false};
  std::thread receiver, callbacks;

  void require_own() const {
    if (generation != fork_generation())
      throw std::logic_error("this process is a fork of the pool's: make a pool here");
  }
  void require_open() const {
    if (phase != Phase::open)
      throw std::logic_error("the pool takes no more calls: it was closed or terminated");
  }
  static CallRequest request(const Order& order) {
    return {reinterpret_cast<std::uintptr_t>(order.code), order.function, order.arguments};
  }
  void settle(Call& call, AnswerKind kind, std::string bytes) {
    call.state_->kind = kind;
    call.state_->bytes = std::move(bytes);
  }
  void make_ready(const std::shared_ptr<Call>& call) {
    if (call->state_->ready.exchange(1) == 2) wake_word(call->state_->ready, INT_MAX, WordScope::process);
    if (call->state_->ending.queue) call->state_->ending.queue->push(call);
  }

  /// With the lock held. Calls that cannot even be offered have ended, and go to `over`.
  void refill(Calls& over) {
    while (!backlog.empty()) {
      Call& call = *backlog.front();
      auto slot = ring.offer(request(call.state_->order), Notice::reader);
      if (slot && !*slot) return;
      if (slot) {
        call.state_->order.arguments = {};
        in_slot[**slot] = std::move(backlog.front());
      } else {
        settle(call, AnswerKind::error, encode_error("std::system_error", slot.error().message()));
        over.push_back(std::move(backlog.front()));
      }
      backlog.pop_front();
    }
  }

  /// With the lock held: what was answered, and what can be offered now.
  void gather(Calls& over) {
    answered.clear();
    ring.collect(answered);
    for (const std::uint32_t slot : answered) {
      CallAnswer answer = ring.take_answer(slot);
      settle(*in_slot[slot], answer.kind, std::move(answer.bytes));
      over.push_back(std::move(in_slot[slot]));
    }
    refill(over);
  }

  /// With the lock held: no worker will answer any more.
  void fail_all(const char* why, Calls& over) {
    ring.bury_all(why);
    for (auto& call : backlog) {
      settle(*call, AnswerKind::died, why);
      over.push_back(std::move(call));
    }
    backlog.clear();
    gather(over);
  }

  /// Without the lock: tells whoever waits, or hands the call on to its callback.
  void deliver(Calls& over) {
    std::size_t done = 0;
    Calls with_callback;
    for (auto& call : over) {
      if (call->state_->ending.callback && call->state_->kind == AnswerKind::value) {
        with_callback.push_back(std::move(call));
      } else {
        make_ready(call);
        ++done;
      }
    }
    over.clear();
    if (!with_callback.empty()) {
      const std::lock_guard lock(callback_mutex);
      for (auto& call : with_callback) due.push_back(std::move(call));
      callback_due.notify_one();
    }
    count_down(done);
  }

  void count_down(std::size_t done) {
    if (done == 0) return;
    const std::lock_guard lock(mutex);
    outstanding -= done;
    if (outstanding == 0) changed.notify_all();
  }

  void receive() {
    Calls over;
    for (bool about_to_sleep = false;;) {
      {
        const std::lock_guard lock(mutex);
        zygote->bury_dead([&](std::uint32_t seat, const std::string& how) { ring.bury(seat, how); });
        gather(over);
      }
      if (!over.empty()) {
        if (std::exchange(about_to_sleep, false)) ring.stay_awake();
        deliver(over);
        continue;
      }
      if (stop_receiver) return;
      if (!about_to_sleep) {
        ring.prepare_sleep();  // and look once more: an answer may have come before the workers could know
        about_to_sleep = true;
        continue;
      }
      pollfd watched[2] = {{ring.bell(), POLLIN, 0}, {broken ? -1 : zygote->pidfd(), POLLIN, 0}};
      (void)::poll(watched, 2, -1);
      ring.drain_bell();
      about_to_sleep = false;
      if (watched[1].revents == 0) continue;
      const std::lock_guard lock(mutex);
      broken = true;
      fail_all(broken_text, over);  // delivered in the next round
    }
  }

  void run_callbacks() {
    callbacks_of_this_thread = core;
    for (Calls batch;;) {
      {
        std::unique_lock lock(callback_mutex);
        callback_due.wait(lock, [&] { return !due.empty() || no_more_callbacks; });
        if (due.empty()) return;
        batch.swap(due);
      }
      for (auto& call : batch) {
        if (!drop_callbacks) {
          try {
            call->state_->ending.callback(call->state_->bytes);
          } catch (...) {
            const ExceptionText text = current_exception_text();
            std::fprintf(stderr, "tine: a pool's callback threw %s: %s\n", text.type.c_str(),
                         text.message.c_str());
          }
        }
        call->state_->ending.callback = nullptr;
        make_ready(call);
      }
      count_down(batch.size());
      batch.clear();
    }
  }

  /// With `ending` held: ends receiver, zygote and workers, and all calls. Once.
  void end(PoolZygote::Ending how) {
    if (ended) return;
    stop_receiver = true;
    ring.ring_bell();
    if (receiver.joinable()) receiver.join();
    if (how == PoolZygote::Ending::leave) ring.tell_to_leave();
    zygote->end(how);
    Calls over;
    {
      const std::lock_guard lock(mutex);
      broken = true;
      fail_all(terminated_text, over);
    }
    deliver(over);
    {
      const std::lock_guard lock(callback_mutex);
      no_more_callbacks = true;
      callback_due.notify_one();
    }
    ended = true;
  }

  bool on_callback_thread() const { return callbacks_of_this_thread == core; }
};

Core::Core(std::unique_ptr<State> state) : state_(std::move(state)) { state_->core = this; }

Core::~Core() {
  // Of a fork's copy nothing may be touched: its threads do not exist here.
  if (is_foreign()) (void)state_.release();
}

std::shared_ptr<Core> Core::start(unsigned workers) {
  if (workers == 0) workers = cpus();
  if (workers > CallRing::workers_max)
    throw std::invalid_argument("a pool has 1 to " + std::to_string(CallRing::workers_max) + " workers");
  auto ring = or_throw(CallRing::create(workers));
  auto state = std::make_unique<State>(workers, std::move(ring));
  state->zygote.emplace(or_throw(PoolZygote::start(state->ring, workers)));  // forks: no thread before it
  state->in_slot.resize(state->ring.slots());
  std::shared_ptr<Core> core(new Core(std::move(state)));
  State* own = core->state_.get();
  try {
    own->receiver = quiet_thread([own] { own->receive(); });
    own->callbacks = quiet_thread([own] { own->run_callbacks(); });
  } catch (...) {
    core->terminate();
    throw;
  }
  return core;
}

std::string Core::apply(Order order) {
  State& state = *state_;
  state.require_own();
  thread_local AdaptiveSpin spin;
  std::unique_lock lock(state.mutex);
  state.require_open();
  std::optional<std::uint32_t> slot;
  if (!state.broken && state.backlog.empty())
    slot = or_throw(state.ring.offer(State::request(order), Notice::waiter));
  if (!slot) {
    lock.unlock();
    const auto call = submit(std::move(order));
    call->wait();
    call->value();
    return std::move(call->state_->bytes);
  }
  ++state.outstanding;
  lock.unlock();
  state.ring.wait_for_answer(*slot, spin);
  Calls over;
  lock.lock();
  CallAnswer answer = state.ring.take_answer(*slot);
  if (!state.backlog.empty()) state.refill(over);
  if (--state.outstanding == 0) state.changed.notify_all();
  lock.unlock();
  if (!over.empty()) state.deliver(over);
  value_of(answer.kind, answer.bytes);
  return std::move(answer.bytes);
}

std::shared_ptr<Call> Core::submit(Order order, Ending ending) {
  State& state = *state_;
  state.require_own();
  auto call = std::make_shared<Call>(std::move(order), std::move(ending), this);
  std::unique_lock lock(state.mutex);
  state.require_open();
  if (state.broken) {
    lock.unlock();
    state.settle(*call, AnswerKind::died, broken_text);
    state.make_ready(call);
    return call;
  }
  std::optional<std::uint32_t> slot;
  if (state.backlog.empty())
    slot = or_throw(state.ring.offer(State::request(call->state_->order), Notice::reader));
  if (slot) {
    call->state_->order.arguments = {};
    state.in_slot[*slot] = call;
  } else {
    state.backlog.push_back(call);
  }
  ++state.outstanding;
  return call;
}

unsigned Core::size() const { return state_->size; }
bool Core::is_foreign() const { return state_->generation != fork_generation(); }

void Core::close() {
  state_->require_own();
  const std::lock_guard lock(state_->mutex);
  if (state_->phase == Phase::open) state_->phase = Phase::closed;
}

void Core::join() {
  State& state = *state_;
  state.require_own();
  if (state.on_callback_thread()) throw std::logic_error("a callback cannot join its own pool");
  std::unique_lock lock(state.mutex);
  if (state.phase == Phase::open) throw std::logic_error("join of a pool that is open: close it first");
  state.changed.wait(lock, [&] { return state.outstanding == 0 || state.phase == Phase::terminated; });
  const auto how = state.phase == Phase::terminated ? PoolZygote::Ending::now : PoolZygote::Ending::leave;
  lock.unlock();
  const std::lock_guard only(state.ending);
  state.end(how);
}

void Core::terminate() {
  State& state = *state_;
  state.require_own();
  {
    const std::lock_guard lock(state.mutex);
    state.phase = Phase::terminated;
    state.drop_callbacks = true;
    state.changed.notify_all();
  }
  std::unique_lock only(state.ending, std::defer_lock);
  if (!state.on_callback_thread())
    only.lock();
  else if (!only.try_lock())
    return;  // another thread ends the pool, and may wait for this one
  state.end(PoolZygote::Ending::now);
  if (!state.on_callback_thread() && state.callbacks.joinable()) state.callbacks.join();
}

}  // namespace tine::pool_detail
