#pragma once
#include <algorithm>
#include <cstddef>
#include <deque>
#include <iterator>
#include <memory>
#include <ranges>
#include <tine/pool_core.hpp>
#include <tine/pool_function.hpp>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace tine::pool_detail {

/// The calls of an imap() that were submitted and not yet read: in the order of the items,
class InOrder {
 public:
  void submit(Core& core, Order order) { calls_.push_back(core.submit(std::move(order))); }
  std::shared_ptr<Call> next() {
    auto call = std::move(calls_.front());
    calls_.pop_front();
    call->wait();
    return call;
  }

 private:
  std::deque<std::shared_ptr<Call>> calls_;
};

/// or as they end.
class AsTheyEnd {
 public:
  void submit(Core& core, Order order) { core.submit(std::move(order), {{}, ended_}); }
  std::shared_ptr<Call> next() { return ended_->pop(); }

 private:
  std::shared_ptr<CallQueue> ended_ = std::make_shared<CallQueue>();
};

/// What Pool::imap() gives back: an input range of results (std::monostate where the function returns none).
template <class F, class Items, class Line>
class Imap {
  using Arguments = typename Travelling<F, std::ranges::range_value_t<Items>>::type;
  using Returned = typename ResultOf<F, Arguments>::type;

 public:
  using value_type = std::conditional_t<std::is_void_v<Returned>, std::monostate, Returned>;

  class iterator {
   public:
    using iterator_concept = std::input_iterator_tag;
    using iterator_category = std::input_iterator_tag;
    using difference_type = std::ptrdiff_t;
    using value_type = Imap::value_type;
    using pointer = void;
    using reference = value_type;

    /// Waits for the result; throws RemoteError or WorkerDied for this item.
    value_type operator*() const { return imap_->current(); }
    iterator& operator++() { return imap_->advance(), *this; }
    void operator++(int) { imap_->advance(); }
    bool operator==(std::default_sentinel_t) const { return imap_->at_end(); }

   private:
    friend class Imap;
    explicit iterator(Imap* imap) : imap_(imap) {}
    Imap* imap_;
  };

  Imap(std::shared_ptr<Core> core, F function, Items items)
      : core_(std::move(core)), function_(function), items_(std::move(items)) {
    check_function<F>();
  }
  Imap(const Imap&) = delete;
  Imap& operator=(const Imap&) = delete;

  /// To be called once, as of any input range.
  iterator begin() {
    at_ = std::make_unique<At>(At{std::ranges::begin(items_), std::ranges::end(items_)});
    fill();
    return iterator(this);
  }
  std::default_sentinel_t end() const { return {}; }

 private:
  struct At {
    std::ranges::iterator_t<Items> item;
    std::ranges::sentinel_t<Items> end;
  };

  /// Enough for workers not to run dry while a result is read.
  std::size_t ahead_max() const { return std::max<std::size_t>(16, 4ull * core_->size()); }
  void fill() {
    for (; ahead_ < ahead_max() && at_->item != at_->end; ++at_->item, ++ahead_) {
      Order order{&run_one<F, Arguments>, address_of(function_), {}};
      wire::put<Arguments>(order.arguments, Arguments(*at_->item));
      line_.submit(*core_, std::move(order));
    }
  }
  bool at_end() const { return ahead_ == 0; }
  value_type current() {
    if (!call_) call_ = line_.next();
    if constexpr (std::is_void_v<Returned>)
      return call_->value(), std::monostate{};
    else
      return result_from<Returned>(call_->value());
  }
  void advance() {
    if (!call_) line_.next();  // its result is not asked for
    call_.reset();
    --ahead_;
    fill();
  }

  std::shared_ptr<Core> core_;
  F function_;
  Items items_;
  std::unique_ptr<At> at_;
  Line line_;
  std::shared_ptr<Call> call_;  ///< the one that the iterator stands on, once its result was read
  std::size_t ahead_ = 0;       ///< submitted and not passed yet
};

}  // namespace tine::pool_detail
