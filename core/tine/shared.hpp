#pragma once
#include <algorithm>
#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

/// State that processes share: arrays, dictionaries, queues and locks.
///
/// One that is constructed is shared with the processes that this one forks later. open(name) reaches the one
/// of this name in the daemon's state dir, which jobs, modules, the shell (`tine array …`) and other programs
/// of this uid use too; it works in the memory itself, with or without a daemon. What a child sets is seen by
/// the others at once. Whoever is killed, however: a value is the old one or the new one, an item is whole or
/// not there, a lock is freed.
///
/// A copy of a handle means the same array, dictionary, queue or lock. Errors: std::invalid_argument for a
/// wrong value or type, std::out_of_range for what is not there, std::system_error for the rest (memory that
/// cannot be had, damage).
namespace tine {

using Json = nlohmann::json;

namespace shared {
class Dict;
class Queue;
class RLock;

template <class T>
inline constexpr char code_of = '\0';
template <>
inline constexpr char code_of<char> = 'c';
template <>
inline constexpr char code_of<wchar_t> = 'u';
template <>
inline constexpr char code_of<signed char> = 'b';
template <>
inline constexpr char code_of<unsigned char> = 'B';
template <>
inline constexpr char code_of<short> = 'h';
template <>
inline constexpr char code_of<unsigned short> = 'H';
template <>
inline constexpr char code_of<int> = 'i';
template <>
inline constexpr char code_of<unsigned> = 'I';
template <>
inline constexpr char code_of<long> = 'l';
template <>
inline constexpr char code_of<unsigned long> = 'L';
template <>
inline constexpr char code_of<float> = 'f';
template <>
inline constexpr char code_of<double> = 'd';

/// An array's memory, and its lock.
class ArrayMemory {
 public:
  static std::shared_ptr<ArrayMemory> make(char code, std::size_t size);
  static std::shared_ptr<ArrayMemory> create(const std::string& name, char code, std::size_t size);
  static std::shared_ptr<ArrayMemory> open(const std::string& name, char code);
  virtual ~ArrayMemory() = default;
  virtual void lock() = 0;
  virtual bool try_lock() = 0;
  virtual void unlock() = 0;

  void* data = nullptr;
  std::size_t size = 0;
};

[[noreturn]] void throw_bad_index(std::size_t index, std::size_t size);
[[noreturn]] void throw_bad_sum(char code);

using TimeLeft = std::optional<std::chrono::nanoseconds>;  ///< none: for ever
template <class Rep, class Period>
TimeLeft time_left(std::chrono::duration<Rep, Period> time) {
  // A few hundred years are for ever, and would overflow.
  if (std::chrono::duration<double>(time).count() > 1e9) return std::nullopt;
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time);
}
}  // namespace shared

/// An array of one of C's number or character types: char wchar_t, signed char, unsigned char, short, int,
/// long (and unsigned), float, double. Reading an element waits for nobody, and gives the old or the new
/// value. Writing takes the array's own lock, so it waits while another thread or process holds that.
template <class T>
class SharedArray {
  static_assert(shared::code_of<T> != '\0',
                "SharedArray holds C's numbers and characters: char, wchar_t, [un]signed "
                "char, short, int, long, float, double");

 public:
  SharedArray(std::initializer_list<T> values) : memory_(shared::ArrayMemory::make(code, values.size())) {
    std::copy(values.begin(), values.end(), data());
  }
  /// All elements are 0.
  explicit SharedArray(std::size_t size) : memory_(shared::ArrayMemory::make(code, size)) {}

  /// Throws std::out_of_range when there is none of this name, std::invalid_argument when its type is
  /// another.
  static SharedArray open(const std::string& name) {
    return SharedArray(shared::ArrayMemory::open(name, code));
  }
  /// All elements are 0. Throws std::system_error when there is one of this name, or it does not fit.
  static SharedArray create(const std::string& name, std::size_t size) {
    return SharedArray(shared::ArrayMemory::create(name, code, size));
  }

  /// What t[i] is: reads and writes the element.
  class Element {
   public:
    operator T() const { return array_.get(index_); }  // NOLINT: meant to convert
    Element& operator=(T value) { return array_.set(index_, value), *this; }
    Element& operator=(const Element& other) { return *this = static_cast<T>(other); }
    Element(const Element&) = default;
    Element& operator+=(T value) { return array_.add(index_, value), *this; }  ///< atomic, as add()
    Element& operator-=(T value) requires(std::is_floating_point_v<T> || std::is_signed_v<T>) {
      return array_.add(index_, static_cast<T>(-value)), *this;
    }

   private:
    friend SharedArray;
    Element(SharedArray& array, std::size_t index) : array_(array), index_(index) {}
    SharedArray& array_;
    std::size_t index_;
  };

  Element operator[](std::size_t index) { return check(index), Element(*this, index); }
  T operator[](std::size_t index) const { return get(index); }

  T get(std::size_t index) const {
    check(index);
    return std::atomic_ref<T>(data()[index]).load(std::memory_order_acquire);
  }
  void set(std::size_t index, T value) {
    check(index);
    const Guard guard(*memory_);
    std::atomic_ref<T>(data()[index]).store(value, std::memory_order_release);
  }
  /// Adds, atomically, and gives back the new value. Throws std::out_of_range, and changes nothing, when the
  /// sum does not fit.
  T add(std::size_t index, T value) {
    check(index);
    const Guard guard(*memory_);
    const T old = std::atomic_ref<T>(data()[index]).load(std::memory_order_relaxed);
    T sum{};
    if constexpr (std::is_floating_point_v<T>)
      sum = old + value;
    else if (__builtin_add_overflow(old, value, &sum))
      shared::throw_bad_sum(code);
    std::atomic_ref<T>(data()[index]).store(sum, std::memory_order_release);
    return sum;
  }
  std::size_t size() const { return memory_->size; }

  /// The array's own lock: std::lock_guard g(t). Re-entrant; freed when its holder dies. It belongs to a
  /// thread.
  void lock() { memory_->lock(); }
  bool try_lock() { return memory_->try_lock(); }
  void unlock() { memory_->unlock(); }

  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using pointer = const T*;
    using reference = T;
    T operator*() const { return array_->get(index_); }
    Iterator& operator++() { return ++index_, *this; }
    Iterator operator++(int) { return Iterator(*array_, index_++); }
    bool operator==(const Iterator& other) const { return index_ == other.index_; }

   private:
    friend SharedArray;
    Iterator(const SharedArray& array, std::size_t index) : array_(&array), index_(index) {}
    const SharedArray* array_;
    std::size_t index_;
  };
  Iterator begin() const { return Iterator(*this, 0); }
  Iterator end() const { return Iterator(*this, size()); }

 private:
  static constexpr char code = shared::code_of<T>;
  struct Guard {
    explicit Guard(shared::ArrayMemory& m) : memory(m) { memory.lock(); }
    ~Guard() { memory.unlock(); }
    shared::ArrayMemory& memory;
  };
  explicit SharedArray(std::shared_ptr<shared::ArrayMemory> memory) : memory_(std::move(memory)) {}
  T* data() const { return static_cast<T*>(memory_->data); }
  void check(std::size_t index) const {
    if (index >= memory_->size) shared::throw_bad_index(index, memory_->size);
  }
  std::shared_ptr<shared::ArrayMemory> memory_;
};

/// A dictionary's key: a whole number or a string of at most 500 bytes; 1 and "1" differ. Numbers sort first,
/// by their value.
class DictKey {
 public:
  template <std::integral T>
  requires(!std::same_as<T, bool>) DictKey(T number)
      : key_(static_cast<std::int64_t>(number)) {  // NOLINT: converts
    if (!std::in_range<std::int64_t>(number))
      throw std::invalid_argument("a key is over the greatest 64-bit integer");
  }
  DictKey(std::string text) : key_(std::move(text)) {}         // NOLINT
  DictKey(std::string_view text) : key_(std::string(text)) {}  // NOLINT
  DictKey(const char* text) : key_(std::string(text)) {}       // NOLINT

  const std::variant<std::int64_t, std::string>& value() const { return key_; }

 private:
  std::variant<std::int64_t, std::string> key_;
};

/// JSON values by key. Each call is atomic; keys(), values() and items() are of one moment, sorted by key.
/// Readers never wait.
class SharedDict {
 public:
  /// Its files are in a folder of their own below $TMPDIR, and gone when this process ends.
  SharedDict();
  /// Made if absent.
  static SharedDict open(const std::string& name);

  void set(const DictKey& key, const Json& value);
  Json get(const DictKey& key) const;  ///< throws std::out_of_range
  std::optional<Json> find(const DictKey& key) const;
  bool contains(const DictKey& key) const { return find(key).has_value(); }
  std::vector<Json> keys() const;
  std::vector<Json> values() const;
  std::vector<std::pair<Json, Json>> items() const;
  /// The new value; an absent one counts as 0. Throws std::invalid_argument when it is no number, or does not
  /// fit.
  Json incr(const DictKey& key, const Json& by = 1);
  /// Sets `next` if the value equals `expected`; false: it does not, or there is none.
  bool cas(const DictKey& key, const Json& expected, const Json& next);
  Json pop(const DictKey& key);    ///< throws std::out_of_range
  bool erase(const DictKey& key);  ///< whether it was there
  void clear();
  std::size_t size() const;
  bool empty() const { return size() == 0; }

 private:
  explicit SharedDict(std::shared_ptr<shared::Dict> dict);
  std::shared_ptr<shared::Dict> dict_;
};

/// JSON values in order, for any number of putters and getters.
class SharedQueue {
 public:
  /// As many items as fit; or at most `items_max`, then put() waits.
  explicit SharedQueue(std::size_t items_max = 0);
  /// Made if absent, without a limit.
  static SharedQueue open(const std::string& name);

  void put(const Json& value);
  template <class Rep, class Period>
  bool put(const Json& value, std::chrono::duration<Rep, Period> timeout) {  ///< false: no room in time
    return put_within(value, shared::time_left(timeout));
  }
  bool try_put(const Json& value) { return put_within(value, std::chrono::nanoseconds(0)); }
  Json get();  ///< waits
  template <class Rep, class Period>
  std::optional<Json> get(std::chrono::duration<Rep, Period> timeout) {
    return get_within(shared::time_left(timeout));
  }
  std::optional<Json> try_get() { return get_within(std::chrono::nanoseconds(0)); }
  std::size_t size() const;  ///< without those that are taken
  bool empty() const { return size() == 0; }
  bool full() const;
  void clear();

  /// An item that was taken: back at the head of the queue when its process ends without ack(), or this
  /// object does in that process.
  class Item {
   public:
    Item(Item&&) noexcept;
    Item& operator=(Item&&) noexcept;
    ~Item();
    const Json& value() const { return value_; }
    std::uint64_t deliveries() const { return deliveries_; }  ///< how often it was taken, this time counted
    void ack();  ///< done with it. Throws std::out_of_range when it has gone back meanwhile

   private:
    friend SharedQueue;
    Item(std::shared_ptr<shared::Queue> queue, std::string receipt, Json value, std::uint64_t deliveries);
    std::shared_ptr<shared::Queue> queue_;  ///< null: done
    std::string receipt_;
    Json value_;
    std::uint64_t deliveries_ = 0;
    int process_ = 0;
  };
  Item take();  ///< waits
  template <class Rep, class Period>
  std::optional<Item> take(std::chrono::duration<Rep, Period> timeout) {
    return take_within(shared::time_left(timeout));
  }
  std::optional<Item> try_take() { return take_within(std::chrono::nanoseconds(0)); }

 private:
  explicit SharedQueue(std::shared_ptr<shared::Queue> queue);
  bool put_within(const Json& value, shared::TimeLeft time);
  std::optional<Json> get_within(shared::TimeLeft time);
  std::optional<Item> take_within(shared::TimeLeft time);
  std::shared_ptr<shared::Queue> queue_;
};

/// A lock that its owner, a thread, may take again. It is freed when its owner ends, however (exit, exec,
/// kill -9): owner_died() then tells the next one. Waiters get it in the order they came. One of a name, in a
/// job: freed at the job's end too; and what `tine lock acquire` in the job or a `tine lock run` around this
/// process holds is no obstacle.
class RLock {
 public:
  RLock();
  /// Made if absent.
  static RLock open(const std::string& name);

  void acquire();
  template <class Rep, class Period>
  bool acquire(std::chrono::duration<Rep, Period> timeout) {  ///< false: not free in time
    return acquire_within(shared::time_left(timeout));
  }
  void release();  ///< throws std::logic_error when this thread does not hold it
  void lock() { acquire(); }
  bool try_lock() { return acquire_within(std::chrono::nanoseconds(0)); }
  template <class Rep, class Period>
  bool try_lock_for(std::chrono::duration<Rep, Period> timeout) {
    return acquire(timeout);
  }
  void unlock() { release(); }
  /// Whether the owner before this one ended while it held the lock: what it guards may be half done.
  bool owner_died() const;

 private:
  explicit RLock(std::shared_ptr<shared::RLock> lock);
  bool acquire_within(shared::TimeLeft time);
  std::shared_ptr<shared::RLock> lock_;
};

}  // namespace tine
