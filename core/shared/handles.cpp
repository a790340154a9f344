#include <unistd.h>

#include <limits>
#include <tine/shared.hpp>

#include "core/shared/array.hpp"
#include "core/shared/dict.hpp"
#include "core/shared/queue.hpp"
#include "core/shared/rlock.hpp"

/// The public handles: from Result to exceptions, and nothing else.
namespace tine {
namespace {

[[noreturn]] void throw_error(const Error& error) {
  if (error.code == Errc::usage) throw std::invalid_argument(error.message());
  if (error.code == Errc::absent) throw std::out_of_range(error.message());
  throw std::system_error(error.code, error.context);
}

void check(const Status& status) {
  if (!status) throw_error(status.error());
}

template <class T>
T value_of(Result<T> result) {
  if (!result) throw_error(result.error());
  return std::move(*result);
}

shared::Folder daemons_folder() { return value_of(shared::Folder::of_environment()); }

shared::Deadline deadline_in(shared::TimeLeft time) {
  if (!time) return std::nullopt;
  return shared::Clock::now() + *time;
}

bool is_timeout(const Error& error) { return error.code == Errc::timed_out; }

}  // namespace

namespace shared {
namespace {

class HeldArray final : public ArrayMemory {
 public:
  explicit HeldArray(Array array) : array_(std::move(array)) {
    data = array_.data();
    size = static_cast<std::size_t>(array_.size());
  }
  ~HeldArray() override {
    // Who unmaps a mutex that it holds would leave it locked for ever.
    while (array_.mutex().is_held_by_this_thread()) array_.unlock();
  }
  void lock() override {
    if (array_.mutex().lock() != RobustMutex::Taken::yes) lock_slowly();
  }
  bool try_lock() override {
    const auto taken = array_.mutex().try_lock();
    if (taken == RobustMutex::Taken::after_death) array_.mutex().mark_consistent();
    return taken != RobustMutex::Taken::no;
  }
  void unlock() override { array_.unlock(); }

 private:
  void lock_slowly() {
    if (array_.mutex().is_held_by_this_thread()) return array_.mutex().mark_consistent();
    check(array_.lock());
  }
  Array array_;
};

}  // namespace

std::shared_ptr<ArrayMemory> ArrayMemory::make(char code, std::size_t size) {
  return std::make_shared<HeldArray>(value_of(Array::anonymous(code, size)));
}

std::shared_ptr<ArrayMemory> ArrayMemory::create(const std::string& name, char code, std::size_t size) {
  return std::make_shared<HeldArray>(value_of(Array::create(daemons_folder(), name, code, size)));
}

std::shared_ptr<ArrayMemory> ArrayMemory::open(const std::string& name, char code) {
  auto array = value_of(Array::open(daemons_folder(), name));
  if (array.code() != code)
    throw std::invalid_argument("array " + name + " is of type " + array.code() + ", not " + code);
  return std::make_shared<HeldArray>(std::move(array));
}

void throw_bad_index(std::size_t index, std::size_t size) {
  throw std::out_of_range("index " + std::to_string(index) + " is out of range; the array has " +
                          std::to_string(size) + " elements");
}

void throw_bad_sum(char code) {
  throw std::out_of_range(std::string("the sum does not fit type ") + code + "; nothing was changed");
}

}  // namespace shared

// SharedDict

namespace {

Json to_json(const shared::Key& key) {
  return std::visit([](const auto& value) { return Json(value); }, key);
}

std::out_of_range no_key(const DictKey& key) {
  return std::out_of_range("no key " +
                           to_json(key.value()).dump(-1, ' ', false, Json::error_handler_t::replace));
}

}  // namespace

SharedDict::SharedDict() : dict_(std::make_shared<shared::Dict>(value_of(shared::Dict::anonymous()))) {}
SharedDict::SharedDict(std::shared_ptr<shared::Dict> dict) : dict_(std::move(dict)) {}
SharedDict SharedDict::open(const std::string& name) {
  return SharedDict(
      std::make_shared<shared::Dict>(value_of(shared::Dict::open_or_create(daemons_folder(), name))));
}
void SharedDict::set(const DictKey& key, const Json& value) { check(dict_->set(key.value(), value)); }
std::optional<Json> SharedDict::find(const DictKey& key) const { return value_of(dict_->find(key.value())); }
Json SharedDict::get(const DictKey& key) const {
  if (auto value = find(key)) return std::move(*value);
  throw no_key(key);
}
std::vector<Json> SharedDict::keys() const {
  std::vector<Json> keys;
  for (const auto& key : value_of(dict_->keys())) keys.push_back(to_json(key));
  return keys;
}
std::vector<Json> SharedDict::values() const {
  std::vector<Json> values;
  for (auto& item : value_of(dict_->items())) values.push_back(std::move(item.value));
  return values;
}
std::vector<std::pair<Json, Json>> SharedDict::items() const {
  std::vector<std::pair<Json, Json>> items;
  for (auto& item : value_of(dict_->items())) items.emplace_back(to_json(item.key), std::move(item.value));
  return items;
}
Json SharedDict::incr(const DictKey& key, const Json& by) { return value_of(dict_->incr(key.value(), by)); }
bool SharedDict::cas(const DictKey& key, const Json& expected, const Json& next) {
  return value_of(dict_->cas(key.value(), expected, next));
}
Json SharedDict::pop(const DictKey& key) {
  if (auto value = value_of(dict_->pop(key.value()))) return std::move(*value);
  throw no_key(key);
}
bool SharedDict::erase(const DictKey& key) { return value_of(dict_->erase(key.value())); }
void SharedDict::clear() { check(dict_->clear()); }
std::size_t SharedDict::size() const { return value_of(dict_->size()); }

// SharedQueue

namespace {

std::string encode_item(const Json& value) {
  try {
    return value.dump();
  } catch (const Json::exception&) {
    throw std::invalid_argument("a value is not UTF-8");
  }
}

Json decode_item(const std::string& text) {
  auto value = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded())
    throw std::system_error(make_error_code(Errc::io), "an item of the queue is no JSON");
  return value;
}

}  // namespace

SharedQueue::SharedQueue(std::size_t items_max)
    : queue_(std::make_shared<shared::Queue>(value_of(shared::Queue::anonymous(items_max)))) {}
SharedQueue::SharedQueue(std::shared_ptr<shared::Queue> queue) : queue_(std::move(queue)) {}
SharedQueue SharedQueue::open(const std::string& name) {
  return SharedQueue(
      std::make_shared<shared::Queue>(value_of(shared::Queue::open_or_create(daemons_folder(), name))));
}
void SharedQueue::put(const Json& value) { put_within(value, std::nullopt); }
bool SharedQueue::put_within(const Json& value, shared::TimeLeft time) {
  const auto done = queue_->put({encode_item(value)}, deadline_in(time));
  if (!done && !is_timeout(done.error())) throw_error(done.error());
  return done.has_value();
}
Json SharedQueue::get() { return *get_within(std::nullopt); }
std::optional<Json> SharedQueue::get_within(shared::TimeLeft time) {
  auto text = queue_->get(deadline_in(time));
  if (text) return decode_item(*text);
  if (is_timeout(text.error())) return std::nullopt;
  throw_error(text.error());
}
std::size_t SharedQueue::size() const { return value_of(queue_->size()); }
bool SharedQueue::full() const { return queue_->items_max() != 0 && size() >= queue_->items_max(); }
void SharedQueue::clear() { value_of(queue_->clear()); }
SharedQueue::Item SharedQueue::take() { return std::move(*take_within(std::nullopt)); }
std::optional<SharedQueue::Item> SharedQueue::take_within(shared::TimeLeft time) {
  auto lease = queue_->take({shared::this_process(), shared::this_job(), 0}, deadline_in(time));
  if (lease) return Item(queue_, std::move(lease->receipt), decode_item(lease->value), lease->deliveries);
  if (is_timeout(lease.error())) return std::nullopt;
  throw_error(lease.error());
}

SharedQueue::Item::Item(std::shared_ptr<shared::Queue> queue, std::string receipt, Json value,
                        std::uint64_t deliveries)
    : queue_(std::move(queue)),
      receipt_(std::move(receipt)),
      value_(std::move(value)),
      deliveries_(deliveries),
      process_(::getpid()) {}
SharedQueue::Item::Item(Item&&) noexcept = default;
SharedQueue::Item& SharedQueue::Item::operator=(Item&& other) noexcept {
  if (this == &other) return *this;
  this->~Item();
  return *new (this) Item(std::move(other));
}
SharedQueue::Item::~Item() {
  // The copy of it that a forked child has is not the lease.
  if (queue_ && process_ == ::getpid()) (void)queue_->give_back(receipt_);
}
void SharedQueue::Item::ack() {
  if (!queue_) throw std::out_of_range("the item was acknowledged already");
  const auto queue = std::move(queue_);
  check(queue->ack(receipt_));
}

// RLock

namespace {

std::shared_ptr<shared::RLock> hold(shared::RLock lock) {
  // Who goes away holding it would keep it until the thread's end.
  return std::shared_ptr<shared::RLock>(new shared::RLock(std::move(lock)), [](shared::RLock* held) {
    while (held->is_held_by_this_thread() && held->release()) {
    }
    delete held;
  });
}

}  // namespace

RLock::RLock() : lock_(hold(value_of(shared::RLock::anonymous()))) {}
RLock::RLock(std::shared_ptr<shared::RLock> lock) : lock_(std::move(lock)) {}
RLock RLock::open(const std::string& name) {
  return RLock(hold(value_of(shared::RLock::open_or_create(daemons_folder(), name))));
}
void RLock::acquire() { check(lock_->acquire()); }
bool RLock::acquire_within(shared::TimeLeft time) {
  const auto done = lock_->acquire(deadline_in(time));
  if (!done && !is_timeout(done.error())) throw_error(done.error());
  return done.has_value();
}
void RLock::release() {
  const auto done = lock_->release();
  if (done) return;
  if (done.error().code == Errc::not_permitted) throw std::logic_error(done.error().message());
  throw_error(done.error());
}
bool RLock::owner_died() const { return lock_->owner_died(); }

}  // namespace tine
