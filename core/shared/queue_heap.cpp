#include "core/shared/queue_heap.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/shared/step.hpp"

namespace tine::shared {

void QueueHeap::initialise(char* memory, std::uint64_t bytes, std::uint64_t items_max) {
  auto& record = *new (memory + header_bytes) QueueRecord{};
  record.mutex.initialise(/*recursive=*/false);
  record.items_max = items_max;
  record.free_bytes = bytes - queue_heap_offset;
  record.rover = queue_heap_offset;
  auto& block = *reinterpret_cast<Block*>(memory + queue_heap_offset);
  block.word.store(BlockWord::of(record.free_bytes, BlockState::free, 0).bits);
}

std::string_view QueueHeap::value(std::uint64_t offset) const {
  const auto& block = at(offset);
  return {reinterpret_cast<const char*>(&block) + sizeof(Block), block.value_bytes};
}

void QueueHeap::set_word(std::uint64_t offset, BlockState state, std::uint64_t deliveries) {
  at(offset).word.store(BlockWord::of(word(offset).bytes(), state, deliveries).bits,
                        std::memory_order_release);
}

void QueueHeap::release(std::uint64_t offset) {
  set_word(offset, BlockState::free, 0);
  step("queue freed");
  record().free_bytes += word(offset).bytes();
}

Error QueueHeap::damaged() {
  segment_.poison(Poison::structure);
  return segment_.check().error();
}

Result<std::uint64_t> QueueHeap::find_free(std::uint64_t bytes) {
  auto& queue = record();
  const auto heap_bytes = end() - queue_heap_offset;
  std::uint64_t at_offset = queue.rover;
  for (std::uint64_t seen = 0; seen <= heap_bytes;) {
    auto size = word(at_offset).bytes();
    if (size == 0 || at_offset + size > end()) return damaged();
    if (word(at_offset).state() == BlockState::free) {
      const auto alone = size;
      while (at_offset + size < end() && word(at_offset + size).state() == BlockState::free) {
        const auto more = word(at_offset + size).bytes();
        if (more == 0) return damaged();
        size += more;
      }
      if (size != alone) at(at_offset).word.store(BlockWord::of(size, BlockState::free, 0).bits);
      step("queue merged");
      if (size >= bytes) {
        queue.rover = at_offset;
        return at_offset;
      }
    }
    seen += size;
    at_offset += size;
    if (at_offset == end()) at_offset = queue_heap_offset;
  }
  queue.rover = queue_heap_offset;  // it may have been merged into another
  return std::uint64_t{0};
}

Status QueueHeap::grow_by(std::uint64_t bytes, const Grow& grow) {
  auto& header = segment_.header();
  const auto now = header.bytes.load();
  const auto wanted = std::min(std::max(now * 2, now + bytes), std::max(header.bytes_max, now)) / 16 * 16;
  if (wanted < now + bytes)
    return make_error(Errc::cannot_create,
                      "the queue is full: it may have " + std::to_string(header.bytes_max) + " bytes");
  const auto grown = grow(wanted - now, [&] {
    return segment_.grow(wanted, [&](char* added) {
      reinterpret_cast<Block*>(added)->word.store(BlockWord::of(wanted - now, BlockState::free, 0).bits);
    });
  });
  if (!grown) return grown;
  step("queue grown");
  record().free_bytes += wanted - now;
  record().rover = now;
  return ok();
}

Result<std::uint64_t> QueueHeap::allocate(std::uint64_t bytes, const Grow& grow) {
  // A search in a nearly full heap would look at every block: below a quarter it grows first, while it may.
  const auto heap_bytes = end() - queue_heap_offset;
  Status grown = ok();
  if (record().free_bytes < heap_bytes / 4 + bytes) grown = grow_by(bytes, grow);
  auto found = find_free(bytes);
  if (!found || *found) return found;
  if (grown) grown = grow_by(bytes, grow);
  if (!grown) return grown.error();
  return find_free(bytes);
}

Result<std::uint64_t> QueueHeap::write(std::uint64_t sequence, std::string_view text, const Grow& grow) {
  const auto bytes = (sizeof(Block) + text.size() + 15) / 16 * 16;
  const auto place = allocate(bytes, grow);
  if (!place || *place == 0) return place ? damaged() : place.error();
  const auto size = word(*place).bytes();
  // The rest gets its word while it is still inside of a free block.
  if (size > bytes) at(*place + bytes).word.store(BlockWord::of(size - bytes, BlockState::free, 0).bits);
  auto& block = at(*place);
  block.sequence = sequence;
  block.owner = block.job = block.witness = 0;
  block.next = block.previous = 0;
  block.value_bytes = text.size();
  std::memcpy(reinterpret_cast<char*>(&block) + sizeof(Block), text.data(), text.size());
  step("queue filled");
  block.word.store(BlockWord::of(bytes, BlockState::queued, 0).bits, std::memory_order_release);
  step("queue written");
  record().free_bytes -= bytes;
  record().rover = *place + bytes == end() ? queue_heap_offset : *place + bytes;
  return place;
}

void QueueHeap::link_queued(std::uint64_t offset) {
  auto& queue = record();
  // Almost always at the end (a put) or at the head (a lease that came back).
  std::uint64_t before = queue.last;
  if (queue.first && at(queue.first).sequence > at(offset).sequence) before = 0;
  while (before && at(before).sequence > at(offset).sequence) before = at(before).previous;
  const auto after = before ? at(before).next : queue.first;
  at(offset).previous = before;
  at(offset).next = after;
  (before ? at(before).next : queue.first) = offset;
  (after ? at(after).previous : queue.last) = offset;
  ++queue.queued;
}

void QueueHeap::unlink_queued(std::uint64_t offset) {
  auto& queue = record();
  const auto before = at(offset).previous, after = at(offset).next;
  (before ? at(before).next : queue.first) = after;
  (after ? at(after).previous : queue.last) = before;
  --queue.queued;
}

void QueueHeap::link_lease(std::uint64_t offset) {
  auto& queue = record();
  at(offset).previous = queue.last_lease;
  at(offset).next = 0;
  (queue.last_lease ? at(queue.last_lease).next : queue.first_lease) = offset;
  queue.last_lease = offset;
  ++queue.leased;
}

void QueueHeap::unlink_lease(std::uint64_t offset) {
  auto& queue = record();
  const auto before = at(offset).previous, after = at(offset).next;
  (before ? at(before).next : queue.first_lease) = after;
  (after ? at(after).previous : queue.last_lease) = before;
  --queue.leased;
}

Status QueueHeap::recover() {
  auto& queue = record();
  const auto committed = queue.committed.load();
  std::vector<std::uint64_t> queued, leased;
  std::uint64_t free_bytes = 0;
  for (std::uint64_t place = queue_heap_offset; place < end();) {
    auto block = word(place);
    if (block.bytes() == 0 || place + block.bytes() > end()) return damaged();
    if (block.state() != BlockState::free &&
        (block.bytes() < sizeof(Block) || at(place).value_bytes > block.bytes() - sizeof(Block)))
      return damaged();
    // Of a put that did not come to its end.
    if (block.state() != BlockState::free && at(place).sequence > committed)
      set_word(place, BlockState::free, 0);
    block = word(place);
    if (block.state() == BlockState::free) free_bytes += block.bytes();
    if (block.state() == BlockState::queued) queued.push_back(place);
    if (block.state() == BlockState::leased) leased.push_back(place);
    place += block.bytes();
  }
  const auto by_sequence = [&](std::uint64_t a, std::uint64_t b) { return at(a).sequence < at(b).sequence; };
  std::sort(queued.begin(), queued.end(), by_sequence);
  std::sort(leased.begin(), leased.end(), by_sequence);
  queue.first = queue.last = queue.queued = 0;
  queue.first_lease = queue.last_lease = queue.leased = 0;
  for (const auto place : queued) link_queued(place);
  for (const auto place : leased) link_lease(place);
  queue.free_bytes = free_bytes;
  queue.rover = queue_heap_offset;
  return ok();
}

}  // namespace tine::shared
