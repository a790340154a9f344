#pragma once
#include <algorithm>
#include <chrono>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <string>
#include <tine/errors.hpp>
#include <tine/pool_core.hpp>
#include <tine/pool_function.hpp>
#include <tine/pool_imap.hpp>
#include <tine/wire.hpp>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace tine {

/// The answer to come of a call. Copies are the same call; it may outlive its pool. Any thread.
template <class R>
class AsyncResult {
 public:
  /// Waits. Throws what the function threw as RemoteError; WorkerDied when its worker did, or the pool was
  /// terminated first.
  R get() const {
    call_->wait();
    return pool_detail::result_from<R>(call_->value());
  }
  /// Throws TimeoutError when the time is over first.
  template <class Rep, class Period>
  R get(std::chrono::duration<Rep, Period> timeout) const {
    if (!wait(timeout)) throw TimeoutError("the call did not end in time");
    return get();
  }
  void wait() const { call_->wait(); }
  /// Whether it is ready.
  template <class Rep, class Period>
  bool wait(std::chrono::duration<Rep, Period> timeout) const {
    // Beyond a year is for ever; it keeps the addition from overflowing.
    if (timeout > std::chrono::hours(24 * 365)) return call_->wait();
    return call_->wait(pool_detail::Clock::now() + std::chrono::ceil<pool_detail::Clock::duration>(timeout));
  }
  bool ready() const { return call_->ready(); }
  bool successful() const { return call_->successful(); }  ///< std::logic_error while it is not ready()

 private:
  friend class Pool;
  explicit AsyncResult(std::shared_ptr<pool_detail::Call> call) : call_(std::move(call)) {}
  std::shared_ptr<pool_detail::Call> call_;
};

/// A pool of processes that run functions, as Python's multiprocessing.Pool.
///
///   tine::Pool pool(5);
///   int r = pool.apply(foo, 1);
///   for (int i = 0; i < 10; ++i) pool.apply_async(foo, i, [](int result) { std::cout << result << '\n'; });
///   pool.close();
///   pool.join();
///
/// Workers are forks of the process as it was when the pool was made: they have copies of the globals of
/// then, and know the functions that were loaded then. A function is a function pointer or a lambda without
/// captures; arguments and results travel by value (<tine/wire.hpp>). If no worker is free, calls wait.
///
/// An exception that leaves the function comes back as RemoteError. A worker that is killed or exits costs
/// the call it was running, WorkerDied, and nothing else: a new one takes its place. When the pool's zygote,
/// the process that forks the workers, is killed, every unanswered and later call is WorkerDied. Nothing
/// hangs.
///
/// Callbacks run in this process, one after the other on one thread of the pool's, before the call is
/// ready(); one that throws is told on stderr. They may submit and wait for other calls. join() waits for
/// them.
///
/// Any thread may use a pool. In a fork of its process every use is std::logic_error; a worker or a Process
/// can make pools of its own. Submitting to a pool that was closed or terminated is std::logic_error.
/// What a task prints is written out before its answer is. All ends with this process, however it ends.
class Pool {
 public:
  /// 1 to 1024 workers; without a number, as many as this process may use CPUs.
  /// Errors: std::invalid_argument, std::system_error.
  explicit Pool(unsigned workers = 0) : core_(pool_detail::Core::start(workers)) {}
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() {
    if (!core_->is_foreign()) core_->terminate();
  }

  /// Calls the function in a worker and waits for what it returns.
  template <class F, class... A>
  auto apply(F function, A&&... arguments) {
    auto order = order_for(function, std::forward<A>(arguments)...);
    return pool_detail::result_from<ResultFor<F, A...>>(core_->apply(std::move(order)));
  }

  /// With one argument more than the function takes, the last one is the callback; it is called with the
  /// result (with nothing where that is void) if the call succeeds.
  template <class F, class... A>
  auto apply_async(F function, A&&... arguments) {
    if constexpr (has_callback<F, A...>())
      return split_callback(function, std::make_index_sequence<sizeof...(A) - 1>{},
                            std::forward_as_tuple(std::forward<A>(arguments)...));
    else
      return submit<ResultFor<F, A...>>(order_for(function, std::forward<A>(arguments)...));
  }

  /// The same with the callback first, for functions that could take it as an argument.
  template <class C, class F, class... A>
  auto apply_async_with(C callback, F function, A&&... arguments) {
    using R = ResultFor<F, A...>;
    pool_detail::Ending ending;
    ending.callback = [held = std::make_shared<C>(std::move(callback))](std::string_view bytes) {
      if constexpr (std::is_void_v<R>)
        (*held)();
      else
        (*held)(pool_detail::result_from<R>(bytes));
    };
    return submit<R>(order_for(function, std::forward<A>(arguments)...), std::move(ending));
  }

  /// The function of every item, in their order; items travel in chunks, four a worker. When one fails, the
  /// first failure is thrown after all have ended, as in Python; a dead worker fails the whole map.
  template <class F, std::ranges::input_range Range>
  auto map(F function, Range&& items) {
    using Arguments = typename pool_detail::Travelling<F, std::ranges::range_value_t<Range>>::type;
    return map_chunks<F, Arguments>(function, std::forward<Range>(items));
  }
  template <class F, class T>
  auto map(F function, std::initializer_list<T> items) {
    return map(function, std::vector<T>(items));
  }

  /// As map, for functions of several arguments: each item is a tuple or pair of them.
  template <class F, std::ranges::input_range Range>
  auto starmap(F function, Range&& items) {
    using Arguments = typename pool_detail::TravellingTuple<F, std::ranges::range_value_t<Range>>::type;
    return map_chunks<F, Arguments>(function, std::forward<Range>(items));
  }
  template <class F, class Tuple>
  auto starmap(F function, std::initializer_list<Tuple> items) {
    return starmap(function, std::vector<Tuple>(items));
  }

  /// A range to iterate once. The items are taken from `items` as results are asked for, a bounded number
  /// ahead, in the iterating thread; a range given as an lvalue has to live as long. Results come in the
  /// items' order. A failed item throws where its result is read; the iteration can go on after it.
  template <class F, std::ranges::input_range Range>
  auto imap(F function, Range&& items) {
    return pool_detail::Imap<F, std::views::all_t<Range>, pool_detail::InOrder>(
        core_, function, std::views::all(std::forward<Range>(items)));
  }
  /// As imap, results in the order of their ends.
  template <class F, std::ranges::input_range Range>
  auto imap_unordered(F function, Range&& items) {
    return pool_detail::Imap<F, std::views::all_t<Range>, pool_detail::AsTheyEnd>(
        core_, function, std::views::all(std::forward<Range>(items)));
  }

  unsigned size() const { return core_->size(); }
  void close() { core_->close(); }  ///< no more calls are taken; those there are run
  /// Waits until every call has ended and its callback has run, and the workers have left.
  /// std::logic_error while the pool is open, and in a callback of its own.
  void join() { core_->join(); }
  /// Ends workers and calls at once: those without an answer are WorkerDied. Callbacks that have not begun do
  /// not run.
  void terminate() { core_->terminate(); }

 private:
  template <class F, class... A>
  using ResultFor = typename pool_detail::ResultOf<F, typename pool_detail::Travelling<F, A...>::type>::type;

  template <class F, class... A>
  static auto order_for(F function, A&&... arguments) {
    using Arguments = typename pool_detail::Travelling<F, A...>::type;
    pool_detail::check_function<F>();
    pool_detail::check_arguments<Arguments, A...>(std::index_sequence_for<A...>{});
    pool_detail::Order order{&pool_detail::run_one<F, Arguments>, pool_detail::address_of(function), {}};
    wire::put<Arguments>(order.arguments, Arguments(std::forward<A>(arguments)...));
    return order;
  }

  template <class F, class... A>
  static constexpr bool has_callback() {
    if constexpr (pool_detail::Signature<F>::known)
      return sizeof...(A) == pool_detail::Signature<F>::arity + 1;
    else
      return !std::is_invocable_v<F&, std::decay_t<A>...>;
  }
  template <class F, std::size_t... I, class Tuple>
  auto split_callback(F function, std::index_sequence<I...>, Tuple&& all) {
    return apply_async_with(std::get<sizeof...(I)>(std::forward<Tuple>(all)), function,
                            std::get<I>(std::forward<Tuple>(all))...);
  }
  template <class R>
  AsyncResult<R> submit(pool_detail::Order order, pool_detail::Ending ending = {}) {
    return AsyncResult<R>(core_->submit(std::move(order), std::move(ending)));
  }

  template <class F, class Arguments, class Range>
  auto map_chunks(F function, Range&& items) {
    pool_detail::check_function<F>();
    if constexpr (!std::ranges::sized_range<Range>) {
      std::vector<std::ranges::range_value_t<Range>> all;
      for (auto&& item : items) all.push_back(std::forward<decltype(item)>(item));
      return map_sized<F, Arguments>(function, all);
    } else {
      return map_sized<F, Arguments>(function, items);
    }
  }

  template <class F, class Arguments, class Range>
  auto map_sized(F function, Range& items) {
    using R = typename pool_detail::ResultOf<F, Arguments>::type;
    const std::size_t count = std::ranges::size(items), chunks = 4ull * size();
    const std::size_t chunk = std::max<std::size_t>(1, (count + chunks - 1) / chunks);
    std::vector<std::shared_ptr<pool_detail::Call>> calls;
    auto item = std::ranges::begin(items);
    for (std::size_t left = count; left > 0;) {
      pool_detail::Order order{&pool_detail::run_many<F, Arguments>, pool_detail::address_of(function), {}};
      const std::size_t taken = std::min(chunk, left);
      wire::put<std::uint64_t>(order.arguments, taken);
      for (std::size_t i = 0; i < taken; ++i, ++item) wire::put<Arguments>(order.arguments, Arguments(*item));
      calls.push_back(core_->submit(std::move(order)));
      left -= taken;
    }
    for (const auto& call : calls) call->wait();
    if constexpr (std::is_void_v<R>) {
      for (const auto& call : calls) call->value();
    } else {
      std::vector<R> results;
      results.reserve(count);
      for (const auto& call : calls) {
        std::string_view bytes = call->value();
        for (std::size_t i = std::min(chunk, count - results.size()); i > 0; --i)
          results.push_back(wire::take<R>(bytes));
      }
      return results;
    }
  }

  std::shared_ptr<pool_detail::Core> core_;
};

}  // namespace tine
