#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace tine {

using Instant = std::int64_t;  ///< nanoseconds of CLOCK_MONOTONIC
inline constexpr Instant never = INT64_MAX;

/// One thing to happen at a time. It stays where it is while a heap knows it.
struct Timer {
  Instant when = never;
  void (*fire)(Timer&) = nullptr;
  std::size_t index = absent;  ///< its place in the heap
  static constexpr std::size_t absent = SIZE_MAX;
};

/// Timers, the earliest on top; adding and taking out cost log(n).
class TimerHeap {
 public:
  bool empty() const { return heap_.empty(); }
  Timer& top() const { return *heap_.front(); }

  void add(Timer& timer) {
    heap_.push_back(&timer);
    timer.index = heap_.size() - 1;
    rise(timer.index);
  }

  /// Nothing happens if the timer is not in.
  void remove(Timer& timer) {
    const std::size_t index = timer.index;
    if (index == Timer::absent) return;
    timer.index = Timer::absent;
    Timer* const last = heap_.back();
    heap_.pop_back();
    if (last == &timer) return;
    put(index, last);
    rise(index);
    sink(last->index);
  }

 private:
  void put(std::size_t index, Timer* timer) {
    heap_[index] = timer;
    timer->index = index;
  }
  void swap(std::size_t a, std::size_t b) {
    Timer* const was = heap_[a];
    put(a, heap_[b]);
    put(b, was);
  }
  void rise(std::size_t index) {
    while (index > 0 && heap_[index]->when < heap_[(index - 1) / 2]->when) {
      swap(index, (index - 1) / 2);
      index = (index - 1) / 2;
    }
  }
  void sink(std::size_t index) {
    for (;;) {
      std::size_t least = index;
      for (std::size_t child = 2 * index + 1; child <= 2 * index + 2 && child < heap_.size(); ++child)
        if (heap_[child]->when < heap_[least]->when) least = child;
      if (least == index) return;
      swap(index, least);
      index = least;
    }
  }
  std::vector<Timer*> heap_;
};

}  // namespace tine
