#pragma once
#include <boost/context/detail/fcontext.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <initializer_list>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <tine/timeout_error.hpp>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

/// Coroutines: greenlets that switch to one another by name, and tasks that a scheduler switches where they
/// wait. All of it lives in the thread that made it and moves to no other; a thread's scheduler begins with
/// its first task.
///
/// Tasks run while the thread's program waits for them (join_all, get, join, sleep, ...) and give way where
/// they wait. In a program linked with tine::coroutine libc's blocking calls give way too, in every library
/// of the process: connect accept accept4 read readv recv recvfrom recvmsg write writev send sendto sendmsg
/// poll ppoll select pselect sleep usleep nanosleep clock_nanosleep getaddrinfo. Outside of a task they are
/// libc's own. Non-blocking descriptors, SO_RCVTIMEO and SO_SNDTIMEO, EINTR and errno mean what they mean.
///
/// What cannot give way holds the whole thread: regular files, stdio (its reads are inside libc; buffered
/// data is no wait), mutexes, condition variables and semaphores, waitpid, flock, epoll_wait, sendfile,
/// splice, raw system calls, computation; a write to a terminal that is stopped; an accept that another
/// process took the connection from (make a listening socket that processes share non-blocking). A mutex
/// held across a wait can lock the thread out for ever: tasks are one thread to it. A signal mask given to
/// ppoll or pselect is looked at every 50 ms. close() wakes the tasks that wait for the descriptor;
/// close_range, dup2 and other threads' closes do not.
///
/// A signal ends sleeps, polls and calls with a time limit with EINTR; other calls too, if a handler of the
/// program is installed without SA_RESTART (which one ran cannot be known).
///
/// A stack has 256 KiB and a guard page: running over it is a SIGSEGV. fork(): the child has the calling task
/// alone, as its program; it must not return from the task's function.
namespace tine {

using Json = nlohmann::json;

/// Thrown into a task that is killed, out of what it waits in. Not a std::exception, so that a handler for
/// errors does not take it for one: let it pass, or throw it on. It comes once; a task that catches it lives.
class TaskKilled {
 public:
  const char* what() const noexcept { return "the task was killed"; }
};

/// Thrown into a suspended greenlet whose Greenlet is destroyed. Let it pass.
class GreenletExit {
 public:
  const char* what() const noexcept { return "the greenlet was destroyed"; }
};

namespace coroutine_detail {

using Instant = std::int64_t;  // nanoseconds of CLOCK_MONOTONIC
inline constexpr Instant never = INT64_MAX;

Instant instant_after(double nanoseconds);
template <class R, class P>
Instant instant_after(std::chrono::duration<R, P> time) {
  return instant_after(std::chrono::duration<double, std::nano>(time).count());
}

/// Who waits for the same thing, first come first. Gone or empty before who waits in it.
class WaitQueue {
 public:
  WaitQueue() = default;
  WaitQueue(const WaitQueue&) = delete;
  WaitQueue& operator=(const WaitQueue&) = delete;
  /// False: the deadline passed first. Throws what is thrown into the caller: TaskKilled, TimeoutError.
  bool wait(Instant deadline = never);
  /// What is thrown into the caller stays due. False: nothing is left that could end the wait.
  bool wait_uninterrupted();
  void wake_one();
  void wake_all();

 private:
  struct Node;
  struct Link;
  Node* first_ = nullptr;
  Node* last_ = nullptr;
};

struct Joining;

/// A task's function, arguments, and what came of them.
class TaskState : public std::enable_shared_from_this<TaskState> {
 public:
  TaskState() = default;
  TaskState(const TaskState&) = delete;
  TaskState& operator=(const TaskState&) = delete;
  virtual ~TaskState();  ///< tells on stderr an exception that nobody asked for
  virtual void run() = 0;
  virtual void drop() = 0;  ///< frees what it was given, without having run

  void start();
  bool wait_for_end(Instant deadline);
  bool kill(Instant deadline);
  void rethrow();

  bool ended = false;
  std::exception_ptr failure;
  bool failure_was_seen = false;
  WaitQueue enders;       ///< who waits for the end
  void* party = nullptr;  ///< the scheduler's record; nullptr once it has ended
  void* scheduler = nullptr;
};

template <class R>
struct Outcome : TaskState {
  std::optional<R> value;
};
template <>
struct Outcome<void> : TaskState {};

template <class R, class F, class... Args>
struct Work final : Outcome<R> {
  template <class G, class... Given>
  explicit Work(G&& f, Given&&... given)
      : function(std::forward<G>(f)), arguments(std::forward<Given>(given)...) {}
  void run() override {
    // What the task was given goes at its end, not when the last Task goes.
    std::optional<F> f(std::move(*function));
    auto given = std::move(*arguments);
    drop();
    if constexpr (std::is_void_v<R>)
      std::apply(*f, std::move(given));
    else
      this->value.emplace(std::apply(*f, std::move(given)));
  }
  void drop() override {
    function.reset();
    arguments.reset();
  }
  std::optional<F> function;
  std::optional<std::tuple<Args...>> arguments;
};

}  // namespace coroutine_detail

/// A handle of a task whatever its result is. Copies name the same task; dropping them all leaves it running.
class AnyTask {
  friend struct coroutine_detail::Joining;

 public:
  explicit AnyTask(std::shared_ptr<coroutine_detail::TaskState> state) : state_(std::move(state)) {}

  bool ready() const { return state_->ended; }
  /// Waits for its end, however it is.
  void join() const { state_->wait_for_end(coroutine_detail::never); }
  /// False: it has not ended in time.
  template <class R, class P>
  bool join(std::chrono::duration<R, P> timeout) const {
    return state_->wait_for_end(coroutine_detail::instant_after(timeout));
  }
  /// Throws TaskKilled out of what it waits in, and waits for its end. One that has not begun never does. A
  /// task that kills itself is thrown out at once.
  void kill() const { state_->kill(coroutine_detail::never); }
  /// As kill(); false: it has not ended in time. kill(0s) only asks.
  template <class R, class P>
  bool kill(std::chrono::duration<R, P> timeout) const {
    return state_->kill(coroutine_detail::instant_after(timeout));
  }
  /// Ended without an exception.
  bool successful() const { return state_->ended && !state_->failure; }
  /// What it ended with; nullptr: with a value, or not yet.
  std::exception_ptr exception() const {
    state_->failure_was_seen = true;
    return state_->ended ? state_->failure : nullptr;
  }

 protected:
  std::shared_ptr<coroutine_detail::TaskState> state_;
};

template <class T>
class Task : public AnyTask {
 public:
  explicit Task(std::shared_ptr<coroutine_detail::Outcome<T>> state) : AnyTask(std::move(state)) {}

  /// Waits for the end; the value, or throws what the task ended with (TaskKilled where it was killed). A
  /// value that cannot be copied can be had once.
  T get() const {
    join();
    return take();
  }
  /// Throws TimeoutError when it has not ended in time; the task goes on.
  template <class R, class P>
  T get(std::chrono::duration<R, P> timeout) const {
    if (!join(timeout)) throw TimeoutError();
    return take();
  }

 private:
  T take() const {
    state_->rethrow();
    if constexpr (!std::is_void_v<T>) {
      auto& value = static_cast<coroutine_detail::Outcome<T>&>(*state_).value;
      if constexpr (std::is_copy_constructible_v<T>)
        return *value;
      else
        return std::move(*value);
    }
  }
};

/// A task that runs f(args...), copies of them, once the program or the running task waits.
/// Errors: std::system_error, where the thread's first task finds no descriptor for the scheduler.
template <class F, class... Args>
auto spawn(F&& f, Args&&... args) {
  using R = std::decay_t<std::invoke_result_t<std::decay_t<F>&, std::decay_t<Args>...>>;
  auto work = std::make_shared<coroutine_detail::Work<R, std::decay_t<F>, std::decay_t<Args>...>>(
      std::forward<F>(f), std::tuple<std::decay_t<Args>...>(std::forward<Args>(args)...));
  work->start();
  return Task<R>(std::move(work));
}

namespace coroutine_detail {
struct Joining {
  static void wait_uninterrupted(const AnyTask& task);
  template <class Tasks>
  static bool all(const Tasks& tasks, Instant deadline) {
    bool all = true;
    for (const AnyTask& task : tasks)
      if (!task.ready()) all &= task.state_->wait_for_end(deadline);
    return all;
  }
};
}  // namespace coroutine_detail

/// Waits until all have ended, however they did; get() tells. Throws std::logic_error where nothing is left
/// that could ever wake one of them.
inline bool join_all(std::initializer_list<AnyTask> tasks) {
  return coroutine_detail::Joining::all(tasks, coroutine_detail::never);
}
/// True if all ended in time.
template <class R, class P>
bool join_all(std::initializer_list<AnyTask> tasks, std::chrono::duration<R, P> timeout) {
  return coroutine_detail::Joining::all(tasks, coroutine_detail::instant_after(timeout));
}
template <class Tasks>
bool join_all(const Tasks& tasks) {
  return coroutine_detail::Joining::all(tasks, coroutine_detail::never);
}
template <class Tasks, class R, class P>
bool join_all(const Tasks& tasks, std::chrono::duration<R, P> timeout) {
  return coroutine_detail::Joining::all(tasks, coroutine_detail::instant_after(timeout));
}

namespace coroutine_detail {
void sleep_until(Instant when);
void yield();
}  // namespace coroutine_detail

/// Lets the others run until the time has passed; 0: once.
template <class R, class P>
void sleep(std::chrono::duration<R, P> time) {
  if (time.count() > 0)
    coroutine_detail::sleep_until(coroutine_detail::instant_after(time));
  else
    coroutine_detail::yield();
}

/// Lets the others run once.
inline void yield() { coroutine_detail::yield(); }

/// A guard: when its time is over before it goes, TimeoutError is thrown out of what the task waits in, or
/// out of the next thing it waits in. Guards may be nested; each throws once.
class Timeout {
 public:
  template <class R, class P>
  explicit Timeout(std::chrono::duration<R, P> time) : Timeout(coroutine_detail::instant_after(time)) {}
  Timeout(const Timeout&) = delete;
  Timeout& operator=(const Timeout&) = delete;
  ~Timeout();
  bool expired() const;  ///< whose time it was, where guards are nested

 private:
  explicit Timeout(coroutine_detail::Instant when);
  struct Guard;
  std::unique_ptr<Guard> guard_;
};

namespace coroutine_detail {
class CCalls {
 public:
  CCalls();
  ~CCalls();
  void end();  ///< throws what was held back
 private:
  void* party_;
};
}  // namespace coroutine_detail

/// Runs f, which calls a C library that exceptions must not pass (one thrown through curl_easy_perform leaves
/// its handle dead). When the task is killed or its Timeout is over meanwhile, each libc call that would wait
/// returns -1 with errno ECANCELED (clock_nanosleep: ECANCELED, getaddrinfo: EAI_SYSTEM), and the exception
/// is thrown when f has returned. tine's own waits throw in here too: let none leave a callback.
template <class F>
decltype(auto) c_calls(F&& f) {
  coroutine_detail::CCalls calls;
  if constexpr (std::is_void_v<std::invoke_result_t<F&>>) {
    f();
    calls.end();
  } else {
    decltype(auto) result = f();
    calls.end();
    return static_cast<std::invoke_result_t<F&>>(result);
  }
}

/// Something that happens, and stays so until clear().
class Event {
 public:
  bool is_set() const { return set_; }
  void set() {
    set_ = true;
    waiting_.wake_all();
  }
  void clear() { set_ = false; }
  void wait() {
    while (!set_) waiting_.wait();
  }
  /// False: not set in time.
  template <class R, class P>
  bool wait(std::chrono::duration<R, P> timeout) {
    const auto deadline = coroutine_detail::instant_after(timeout);
    while (!set_)
      if (!waiting_.wait(deadline)) return set_;
    return true;
  }

 private:
  bool set_ = false;
  coroutine_detail::WaitQueue waiting_;
};

/// Values from task to task, in order, at most `size_max` of them under way.
template <class T>
class Channel {
 public:
  explicit Channel(std::size_t size_max = 1) : size_max_(size_max ? size_max : 1) {}

  /// Waits while it is full. Throws std::logic_error once it is closed.
  void put(T value) {
    while (!closed_ && values_.size() >= size_max_) putters_.wait();
    if (closed_) throw std::logic_error("the channel is closed");
    values_.push_back(std::move(value));
    getters_.wake_one();
  }
  /// Waits for a value; nothing: it is closed and empty.
  std::optional<T> get() { return get_until(coroutine_detail::never); }
  /// Nothing: closed and empty, or none came in time.
  template <class R, class P>
  std::optional<T> get(std::chrono::duration<R, P> timeout) {
    return get_until(coroutine_detail::instant_after(timeout));
  }
  /// What is under way can still be had.
  void close() {
    closed_ = true;
    putters_.wake_all();
    getters_.wake_all();
  }
  bool closed() const { return closed_; }
  std::size_t size() const { return values_.size(); }

 private:
  std::optional<T> get_until(coroutine_detail::Instant deadline) {
    while (values_.empty())
      if (closed_ || !getters_.wait(deadline)) {
        if (values_.empty()) return std::nullopt;
        break;
      }
    std::optional<T> value(std::move(values_.front()));
    values_.pop_front();
    putters_.wake_one();
    return value;
  }
  std::size_t size_max_;
  std::deque<T> values_;
  bool closed_ = false;
  coroutine_detail::WaitQueue putters_, getters_;
};

/// At most n tasks at once. The destructor kills those that are left and waits for them.
class CoroutinePool {
 public:
  explicit CoroutinePool(std::size_t n) : shared_(std::make_shared<Shared>()) {
    if (n == 0) throw std::invalid_argument("a pool of 0 tasks");
    shared_->free = n;
    shared_->size = n;
  }
  CoroutinePool(const CoroutinePool&) = delete;
  CoroutinePool& operator=(const CoroutinePool&) = delete;
  ~CoroutinePool();

  /// As tine::spawn; waits first while n tasks run.
  template <class F, class... Args>
  auto spawn(F&& f, Args&&... args) {
    while (shared_->free == 0) shared_->seats.wait();
    auto task = tine::spawn(
        [seat = Seat(shared_), f = std::decay_t<F>(std::forward<F>(f))](auto&&... given) mutable {
          return std::invoke(f, std::forward<decltype(given)>(given)...);
        },
        std::forward<Args>(args)...);
    if (tasks_.size() >= 2 * shared_->size)
      std::erase_if(tasks_, [](const AnyTask& one) { return one.ready(); });
    tasks_.push_back(task);
    return task;
  }
  /// f of each value, n at once, in the values' order. Throws what the first failed one threw.
  template <class F, class Range>
  auto map(F f, const Range& values) {
    std::vector<decltype(spawn(f, *std::begin(values)))> tasks;
    for (const auto& value : values) tasks.push_back(spawn(f, value));
    if constexpr (std::is_void_v<decltype(tasks.front().get())>) {
      for (const auto& task : tasks) task.get();
    } else {
      std::vector<decltype(tasks.front().get())> results;
      for (const auto& task : tasks) results.push_back(task.get());
      return results;
    }
  }
  void join() { join_all(tasks_); }
  template <class R, class P>
  bool join(std::chrono::duration<R, P> timeout) {
    return join_all(tasks_, timeout);
  }
  void kill() {
    for (const AnyTask& task : tasks_) task.kill(std::chrono::seconds(0));
    join();
  }
  std::size_t size() const { return shared_->size; }
  std::size_t free_count() const { return shared_->free; }

 private:
  struct Shared {
    std::size_t size = 0, free = 0;
    coroutine_detail::WaitQueue seats;
  };
  struct Seat {  ///< held by the task, from its spawn to its end
    explicit Seat(std::shared_ptr<Shared> shared) : pool(std::move(shared)) { --pool->free; }
    Seat(Seat&&) noexcept = default;
    ~Seat() {
      if (!pool) return;
      ++pool->free;
      pool->seats.wake_one();
    }
    std::shared_ptr<Shared> pool;
  };
  std::shared_ptr<Shared> shared_;
  std::vector<AnyTask> tasks_;
};

/// A greenlet that is not one's own: the parent, the running one. Says nothing about how long it lives.
class GreenletRef {
 public:
  /// Goes on in that greenlet, where its own switch_to() returns `value`; its function is called with it the
  /// first time. Returns what is passed when someone switches back here. Of a dead one: its parent.
  /// Throws what is thrown into this one meanwhile, and std::logic_error for a greenlet of another task or
  /// thread.
  Json switch_to(Json value) const {
    jump(leave(&value), value);
    return value;
  }
  Json switch_to() const {  ///< with null
    Json result;
    jump(leave(nullptr), result);
    return result;
  }
  /// As switch_to(), but the exception is thrown there. One that has not begun dies of it at once.
  Json throw_into(std::exception_ptr exception) const;
  template <class E>
  requires(!std::is_same_v<std::decay_t<E>, std::exception_ptr>) Json throw_into(E&& exception)
  const { return throw_into(std::make_exception_ptr(std::forward<E>(exception))); }
  bool dead() const;
  GreenletRef parent() const;  ///< throws std::logic_error: the task's or program's own has none

  struct Core;

 protected:
  friend GreenletRef current_greenlet();
  explicit GreenletRef(std::shared_ptr<Core> core) : core_(std::move(core)) {}
  std::shared_ptr<Core> core_;

 private:
  // The jump is made inline, in no function that returns after it: the processor guesses such a return to go
  // to the stack that was left, and the wrong guess costs as much as all the rest.
  static void jump(void* place, Json& result) {
    if (place) come_back(boost::context::detail::jump_fcontext(place, nullptr).fctx, result);
  }
  void* leave(Json* value) const;  ///< nullptr: there is nowhere to go, the value is the caller's
  void* leave_otherwise(Json* value) const;
  static void come_back(void* left_at, Json& result);
};

GreenletRef current_greenlet();

/// A function with a stack of its own, that runs when someone switches to it, and stands still when it
/// switches away. When it ends, its parent (the greenlet it was made in) goes on with what it returned, or
/// with the exception that left it.
class Greenlet : public GreenletRef {
 public:
  /// f is called with the first switch_to()'s value, or without arguments if it takes none.
  template <class F>
  requires(!std::is_base_of_v<GreenletRef, std::decay_t<F>>) explicit Greenlet(F&& f)
      : GreenletRef(make(body_of(std::forward<F>(f)))) {}
  Greenlet(Greenlet&&) noexcept = default;
  Greenlet& operator=(Greenlet&& other) noexcept {
    std::swap(core_, other.core_);
    return *this;
  }
  /// Unwinds the stack of a suspended one: GreenletExit is thrown where it stands. In its own thread.
  ~Greenlet();

 private:
  using Body = std::function<Json(Json)>;
  static std::shared_ptr<Core> make(Body body);

  template <class F>
  static Body body_of(F&& f) {
    auto held = std::make_shared<std::decay_t<F>>(std::forward<F>(f));
    return [held]([[maybe_unused]] Json value) -> Json {
      auto call = [&]() -> decltype(auto) {
        if constexpr (std::is_invocable_v<std::decay_t<F>&, Json>)
          return std::invoke(*held, std::move(value));
        else
          return std::invoke(*held);
      };
      if constexpr (std::is_void_v<decltype(call())>) {
        call();
        return nullptr;
      } else {
        return call();
      }
    };
  }
};

}  // namespace tine
