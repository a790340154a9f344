#include "core/shared/array.hpp"

#include <limits>

#include "core/shared/step.hpp"

namespace tine::shared {
namespace {

Result<Segment::Size> size_of(char code, std::uint64_t count) {
  const auto bytes = element_bytes(code);
  if (bytes == 0)
    return make_error(Errc::usage,
                      std::string("'") + code + "' is no type; allowed: c u b B h H i I l L f d");
  constexpr std::uint64_t bytes_max = 1ull << 40;
  if (count > bytes_max / bytes)
    return make_error(Errc::cannot_create, std::to_string(count) + " elements are too many; allowed: " +
                                               std::to_string(bytes_max / bytes) + " of this type");
  return Segment::Size{array_data_offset + count * bytes, 0};
}

Segment::Fill fill(char code, std::uint64_t count) {
  return [=](char* memory) {
    auto& record = *new (memory + header_bytes) ArrayRecord;
    record.mutex.initialise(/*recursive=*/true);
    record.code = code;
    record.count = count;
  };
}

}  // namespace

Result<Array> Array::create(const Folder& folder, const std::string& name, char code, std::uint64_t count,
                            const std::vector<Element>& elements) {
  const auto size = size_of(code, count);
  if (!size) return size.error();
  for (const auto& element : elements)
    if (auto fits = check_element(code, element); !fits) return fits.error();
  auto segment = folder.create(Kind::array, name, *size, [&](char* memory) {
    fill(code, count)(memory);
    for (std::size_t i = 0; i < elements.size() && i < count; ++i)
      store_element(code, memory + array_data_offset + i * element_bytes(code), elements[i]);
  });
  if (!segment) return segment.error();
  return Array(std::move(*segment));
}

Result<Array> Array::anonymous(char code, std::uint64_t count) {
  const auto size = size_of(code, count);
  if (!size) return size.error();
  auto segment = Segment::anonymous(Kind::array, *size, fill(code, count));
  if (!segment) return segment.error();
  return Array(std::move(*segment));
}

Result<Array> Array::open(const Folder& folder, const std::string& name) {
  auto segment = folder.attach(Kind::array, name);
  if (!segment) return segment.error();
  Array array(std::move(*segment));
  const auto bytes = element_bytes(array.code());
  const auto room = array.segment_->header().bytes - array_data_offset;
  if (bytes == 0 || array.segment_->header().bytes < array_data_offset || array.size() > room / bytes) {
    array.segment_->poison(Poison::structure);
    return array.segment_->check().error();
  }
  return array;
}

Status Array::check_index(std::uint64_t index) const {
  if (index < size()) return ok();
  return make_error(Errc::absent, "index " + std::to_string(index) + " is out of range; " +
                                      (size() == 0 ? std::string("the array is empty")
                                                   : "allowed: 0 to " + std::to_string(size() - 1)));
}

Result<Element> Array::get(std::uint64_t index) const {
  if (auto good = check_index(index); !good) return good.error();
  return load_element(code(), place(index));
}

Status Array::lock(Deadline deadline) {
  if (auto good = segment_->check(); !good) return good;
  switch (mutex().lock_until(deadline)) {
    case RobustMutex::Taken::yes:
      return ok();
    case RobustMutex::Taken::after_death:
      // Nothing to repair: each element is changed by one store.
      mutex().mark_consistent();
      return ok();
    case RobustMutex::Taken::no:
      break;
  }
  if (deadline && has_passed(deadline)) return make_error(Errc::timed_out, "the array is locked by another");
  segment_->poison(Poison::mutex);
  return segment_->check();
}

Status Array::set(std::uint64_t index, const Element& element, Deadline deadline) {
  if (auto good = check_index(index); !good) return good;
  if (auto fits = check_element(code(), element); !fits) return fits;
  if (auto locked = lock(deadline); !locked) return locked;
  step("array locked");
  store_element(code(), place(index), element);
  step("array stored");
  unlock();
  step("array unlocked");
  return ok();
}

Result<Element> Array::add(std::uint64_t index, const Element& element, Deadline deadline) {
  if (auto good = check_index(index); !good) return good.error();
  if (auto fits = check_element(code(), element); !fits) return fits.error();
  if (auto locked = lock(deadline); !locked) return locked.error();
  step("array locked");
  auto sum = add_elements(code(), load_element(code(), place(index)), element);
  if (sum) store_element(code(), place(index), *sum);
  step("array stored");
  unlock();
  step("array unlocked");
  return sum;
}

}  // namespace tine::shared
