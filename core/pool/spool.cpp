#include "core/pool/spool.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "core/base/clock.hpp"
#include "core/base/failpoint.hpp"
#include "core/base/file.hpp"
#include "core/base/limits.hpp"

namespace tine {
namespace {

constexpr std::uint64_t spool_magic = 0x6c6f6f7073656e74;  // "tnespool"
constexpr std::uint32_t spool_version = 5;
constexpr std::size_t desk_page_bytes = 4096;

// The offer word: two bits of state, two of kind, 60 of job.
std::uint64_t pack(Spool::OfferState state, OrderKind kind, JobId job) {
  return static_cast<std::uint64_t>(state) | static_cast<std::uint64_t>(kind) << 2 | job << 4;
}
Spool::OfferState state_in(std::uint64_t word) { return static_cast<Spool::OfferState>(word & 3); }
OrderKind kind_in(std::uint64_t word) { return static_cast<OrderKind>(word >> 2 & 3); }
JobId job_in(std::uint64_t word) { return word >> 4; }
std::uint64_t with_state(std::uint64_t word, Spool::OfferState state) {
  return (word & ~std::uint64_t{3}) | static_cast<std::uint64_t>(state);
}

std::string folder_of(const std::string& state_dir) { return state_dir + "/spool"; }
std::string beside(const std::string& path, std::uint64_t seq) { return path + "." + std::to_string(seq); }

std::int64_t monotonic_us() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1'000'000) + now.tv_nsec / 1000;
}

/// Copies into a fixed field, always ended by NUL.
template <std::size_t N>
void put(char (&field)[N], const std::string& text) {
  std::memset(field, 0, N);
  std::memcpy(field, text.data(), std::min(text.size(), N - 1));
}

}  // namespace

/// One exit record. `seq` is stored last: a place is complete or does not count.
struct Spool::Place {
  std::atomic<std::uint64_t> seq;  ///< 0: never used
  std::uint64_t bytes;             ///< of the record
  std::uint8_t kind;               ///< OrderKind
  std::uint8_t is_beside;          ///< the record is in the file `<key>.<seq>`
  char pad[14];
  char record[Spool::record_bytes_max];
};

struct Spool::Desk {
  std::atomic<std::uint64_t> offer;
  std::atomic<std::uint32_t> attempt;  ///< of the offer; written by the daemon before the word
  std::uint32_t unused;
};

/// In the file: this, padded to a page; a Desk for each task of a coroutine worker, to whole pages; Places.
struct Spool::Layout {
  std::atomic<std::uint64_t> magic;  ///< stored last: a spool killed while it was made is none
  std::uint32_t version;
  std::uint32_t slot;
  char boot[64];
  char pool[256];
  std::int32_t pid;
  std::uint32_t tasks;  ///< 0: no coroutine worker
  std::uint64_t start_ticks;
  alignas(64) Desk desks[line_places];  ///< where there are no tasks
  std::atomic<std::int32_t> session;    ///< 0: none; stored after the two below
  std::atomic<std::uint64_t> session_born_from, session_born_to;
  std::atomic<std::int64_t> paused_since_us;  ///< CLOCK_MONOTONIC, 0: it is not
  std::atomic<std::int64_t> paused_before_us;
  alignas(64) std::atomic<std::uint64_t> stored;  ///< records up to this seq are in the store
  std::atomic<std::uint32_t> awaits_store;        ///< the worker sleeps until more of them are
  alignas(64) Pulse pulse;
};

std::size_t Spool::places_of(std::uint32_t tasks) { return tasks == 0 ? 32 : 128; }

std::size_t Spool::bytes_of(std::uint32_t tasks) {
  static_assert(sizeof(Layout) <= desk_page_bytes && sizeof(Desk) == 16);
  static_assert(sizeof(Place) == 20 << 10 && offsetof(Place, record) == 32);
  const std::size_t desks = (tasks * sizeof(Desk) + desk_page_bytes - 1) / desk_page_bytes * desk_page_bytes;
  return desk_page_bytes + desks + places_of(tasks) * sizeof(Place);
}

Spool::Spool(WorkerSeat seat, Layout* layout, std::string path)
    : seat_(std::move(seat)), layout_(layout), path_(std::move(path)) {}

std::span<Spool::Place> Spool::places() const {
  const std::size_t count = places_of(seat_.tasks);
  auto* const end = reinterpret_cast<std::byte*>(layout_) + bytes_of(seat_.tasks);
  return {reinterpret_cast<Place*>(end) - count, count};
}

Spool::Place& Spool::place_of(std::uint64_t seq) const { return places()[seq % places().size()]; }

Spool::Desk& Spool::desk(std::uint32_t place) const {
  if (seat_.tasks == 0) return layout_->desks[place];
  return reinterpret_cast<Desk*>(reinterpret_cast<std::byte*>(layout_) + desk_page_bytes)[place];
}

Result<std::unique_ptr<Spool>> Spool::create(const std::string& state_dir, const WorkerSeat& seat) {
  const std::string path = folder_of(state_dir) + "/" + seat.key;
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd) return errno_error("create " + path);
  const auto give_up = [&](int error) {
    ::unlink(path.c_str());
    errno = error;
    return errno_error("create " + path);
  };
  if (const int error = failpoint("spool.create")) return give_up(error);
  const std::size_t bytes = bytes_of(seat.tasks);
  if (const int error = reserve_range(fd.get(), 0, bytes)) return give_up(error);
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (memory == MAP_FAILED) return give_up(errno);
  auto* layout = static_cast<Layout*>(memory);
  layout->version = spool_version;
  layout->slot = seat.slot;
  layout->tasks = seat.tasks;
  put(layout->boot, boot_id());
  put(layout->pool, seat.pool);
  layout->pid = ::getpid();
  layout->start_ticks = process_start_ticks(layout->pid);
  layout->magic.store(spool_magic, std::memory_order_release);
  return std::unique_ptr<Spool>(new Spool(seat, layout, path));
}

Result<std::unique_ptr<Spool>> Spool::attach(const std::string& state_dir, const std::string& key) {
  const std::string path = folder_of(state_dir) + "/" + key;
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd) return errno_error("open " + path);
  struct stat info {};
  if (::fstat(fd.get(), &info) < 0) return errno_error("stat " + path);
  std::uint32_t tasks = 0;
  const bool is_whole = static_cast<std::size_t>(info.st_size) >= bytes_of(0) &&
                        ::pread(fd.get(), &tasks, sizeof tasks, offsetof(Layout, tasks)) == sizeof tasks &&
                        tasks <= limits::concurrency_max &&
                        static_cast<std::size_t>(info.st_size) == bytes_of(tasks);
  if (!is_whole) return make_error(Errc::io, path + " is no whole spool file");
  void* memory = ::mmap(nullptr, bytes_of(tasks), PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (memory == MAP_FAILED) return errno_error("map " + path);
  auto* layout = static_cast<Layout*>(memory);
  std::unique_ptr<Spool> spool(new Spool(WorkerSeat{key, "", 0, tasks}, layout, path));
  if (layout->magic.load(std::memory_order_acquire) != spool_magic || layout->version != spool_version)
    return make_error(Errc::io, path + " is no spool file of this version");
  if (boot_id() != std::string_view(layout->boot, ::strnlen(layout->boot, sizeof layout->boot)))
    return make_error(Errc::io, path + " is from before the last boot");
  spool->seat_.pool.assign(layout->pool, ::strnlen(layout->pool, sizeof layout->pool));
  spool->seat_.slot = layout->slot;
  for (const Place& place : spool->places())
    spool->seq_ = std::max(spool->seq_, place.seq.load(std::memory_order_acquire));
  return spool;
}

Spool::~Spool() { ::munmap(layout_, bytes_of(seat_.tasks)); }

std::int32_t Spool::pid() const { return layout_->pid; }

bool Spool::worker_lives() const {
  return layout_->start_ticks != 0 && process_start_ticks(layout_->pid) == layout_->start_ticks;
}

Spool::Offer Spool::offer(std::uint32_t place) const {
  const Desk& at = desk(place);
  const auto word = at.offer.load(std::memory_order_acquire);
  return {state_in(word), kind_in(word), job_in(word), at.attempt.load(std::memory_order_relaxed)};
}

void Spool::make_offer(OrderKind kind, JobId job, std::uint32_t attempt, std::uint32_t place) {
  desk(place).attempt.store(attempt, std::memory_order_relaxed);
  desk(place).offer.store(pack(OfferState::offered, kind, job), std::memory_order_release);
}

bool Spool::begin(JobId job, std::uint32_t attempt, std::uint32_t place) {
  Desk& at = desk(place);
  auto word = at.offer.load(std::memory_order_acquire);
  if (state_in(word) != OfferState::offered || job_in(word) != job) return false;
  if (at.attempt.load(std::memory_order_relaxed) != attempt) return false;
  layout_->paused_since_us.store(0);
  layout_->paused_before_us.store(0);
  return at.offer.compare_exchange_strong(word, with_state(word, OfferState::begun),
                                          std::memory_order_acq_rel);
}

bool Spool::recall(JobId job, std::uint32_t place) {
  Desk& at = desk(place);
  auto word = at.offer.load(std::memory_order_acquire);
  if (state_in(word) != OfferState::offered || job_in(word) != job) return false;
  return at.offer.compare_exchange_strong(word, with_state(word, OfferState::recalled),
                                          std::memory_order_acq_rel);
}

void Spool::recall_all() {
  for (std::uint32_t place = 0; place < offers(); ++place) recall(offer(place).job, place);
}

void Spool::clear_offer(std::uint32_t place) {
  // After a recall the daemon may already have made another offer: that one stays.
  Desk& at = desk(place);
  auto word = at.offer.load(std::memory_order_acquire);
  if (state_in(word) != OfferState::begun && state_in(word) != OfferState::recalled) return;
  at.offer.compare_exchange_strong(word, with_state(word, OfferState::idle), std::memory_order_acq_rel);
}

Pulse& Spool::pulse() const { return layout_->pulse; }

void Spool::session_begins() {
  layout_->session.store(0, std::memory_order_release);
  layout_->session_born_from.store(ticks_after_boot(), std::memory_order_release);
}

void Spool::session_is_led_by(pid_t leader) {
  layout_->session_born_to.store(ticks_after_boot(), std::memory_order_release);
  layout_->session.store(leader, std::memory_order_release);
}

void Spool::pause_clock(bool paused) {
  if (paused) return layout_->paused_since_us.store(monotonic_us());
  const auto since = layout_->paused_since_us.load();
  if (since == 0) return;
  layout_->paused_before_us += monotonic_us() - since;
  layout_->paused_since_us.store(0);
}

std::int64_t Spool::paused_us() const noexcept {
  const auto since = layout_->paused_since_us.load();
  return layout_->paused_before_us.load() + (since == 0 ? 0 : monotonic_us() - since);
}

SessionId Spool::session() const {
  return {layout_->session.load(std::memory_order_acquire),
          layout_->session_born_from.load(std::memory_order_acquire),
          layout_->session_born_to.load(std::memory_order_acquire)};
}

Result<std::uint64_t> Spool::append(OrderKind kind, const std::string& outcome_bytes) {
  if (is_full()) return make_error(Errc::try_later, "every place of the spool is taken");
  const auto seq = seq_ + 1;
  Place& place = place_of(seq);
  const bool fits = outcome_bytes.size() <= record_bytes_max;
  if (!fits) {
    const std::string name = beside(path_, seq);
    const std::string half = name + ".new";
    const UniqueFd fd(::open(half.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd) return errno_error("create " + half);
    if (auto written = write_all(fd.get(), outcome_bytes); !written) return written.error();
    if (::rename(half.c_str(), name.c_str()) < 0) return errno_error("rename to " + name);
  } else {
    std::memcpy(place.record, outcome_bytes.data(), outcome_bytes.size());
  }
  place.bytes = outcome_bytes.size();
  place.kind = static_cast<std::uint8_t>(kind);
  place.is_beside = !fits;
  place.seq.store(seq, std::memory_order_release);
  seq_ = seq;
  return seq;
}

void Spool::append_and_end(OrderKind kind, const char* outcome_bytes, std::size_t size) noexcept {
  Place& place = place_of(seq_ + 1);
  std::memcpy(place.record, outcome_bytes, size);
  place.bytes = size;
  place.kind = static_cast<std::uint8_t>(kind);
  place.is_beside = 0;
  place.seq.store(seq_ + 1, std::memory_order_release);
}

void Spool::mark_stored(std::uint64_t seq) {
  const auto before = layout_->stored.load(std::memory_order_acquire);
  if (seq <= before) return;
  for (const Place& place : places()) {
    const auto there = place.seq.load(std::memory_order_acquire);
    if (there > before && there <= seq && place.is_beside) ::unlink(beside(path_, there).c_str());
  }
  layout_->stored.store(seq);  // before the look at awaits_store(), as that is before the look at `stored`
}

bool Spool::waits_while_full() {
  const bool waits = is_full() && (layout_->awaits_store.store(1), is_full());
  if (!waits && awaits_store()) layout_->awaits_store.store(0);
  return waits;
}

bool Spool::awaits_store() const { return layout_->awaits_store.load() != 0; }

std::vector<Spool::Record> Spool::unstored() const {
  const auto stored = layout_->stored.load(std::memory_order_acquire);
  std::vector<Record> records;
  for (const Place& place : places()) {
    const auto seq = place.seq.load(std::memory_order_acquire);
    if (seq <= stored) continue;
    Record record{seq, static_cast<OrderKind>(place.kind), {}};
    if (place.is_beside) {
      auto bytes = read_file(beside(path_, seq));
      if (!bytes) continue;
      record.outcome_bytes = std::move(*bytes);
    } else {
      record.outcome_bytes.assign(place.record, std::min<std::size_t>(place.bytes, record_bytes_max));
    }
    records.push_back(std::move(record));
  }
  std::sort(records.begin(), records.end(), [](const Record& a, const Record& b) { return a.seq < b.seq; });
  return records;
}

std::uint64_t Spool::stored() const { return layout_->stored.load(std::memory_order_acquire); }

bool Spool::is_full() const { return seq_ - layout_->stored.load() >= places().size(); }

void Spool::remove(const std::string& state_dir, const std::string& key) {
  const std::string folder = folder_of(state_dir);
  ::unlink((folder + "/" + key).c_str());
  const std::string prefix = key + ".";
  for (const auto& name : names_in(folder))
    if (name.starts_with(prefix)) ::unlink((folder + "/" + name).c_str());
}

std::vector<std::string> Spool::list(const std::string& state_dir) {
  auto keys = names_in(folder_of(state_dir));
  // A name with a dot is a large record beside its spool.
  std::erase_if(keys, [](const std::string& name) { return name.find('.') != std::string::npos; });
  return keys;
}

}  // namespace tine
