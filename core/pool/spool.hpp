#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/base/result.hpp"
#include "core/coroutine/pulse.hpp"
#include "core/job/job.hpp"
#include "core/pool/worker_protocol.hpp"
#include "core/process/process_tree.hpp"

namespace tine {

/// A worker's desk on disk: `<state dir>/spool/<key>`, mapped by the worker and the daemon. It says what the
/// worker has begun and keeps its exit records until the store has them. It survives kill -9 of either, not
/// of the machine (no fsync: the boot id in the header tells). Fallocated when made, so a full disk never
/// loses a record.
///
/// The offer word decides who has a job after a crash. The daemon writes offered before it sends the order;
/// then one compare-and-swap wins: offered -> begun (worker, before exec) or offered -> recalled (daemon:
/// cancel, restart). A coroutine worker has such a word for each of its places, seat().tasks of them; other
/// workers have line_places, as one may be offered its next jobs while it still runs another.
class Spool {
 public:
  enum class OfferState : std::uint8_t { idle, offered, begun, recalled };
  struct Offer {
    OfferState state = OfferState::idle;
    OrderKind kind = OrderKind::job;
    JobId job = 0;
    std::uint32_t attempt = 0;
  };

  static constexpr std::uint32_t line_places = 16;

  /// Made by the worker. Errors: ENOSPC and what open(2) gives.
  static Result<std::unique_ptr<Spool>> create(const std::string& state_dir, const WorkerSeat& seat);
  /// Mapped by the daemon. Errors: Errc::io if it is not a whole spool file of this version and this boot.
  static Result<std::unique_ptr<Spool>> attach(const std::string& state_dir, const std::string& key);
  ~Spool();
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  const WorkerSeat& seat() const { return seat_; }
  std::int32_t pid() const;   ///< the worker's
  bool worker_lives() const;  ///< pid, start time and boot id still match

  Offer offer(std::uint32_t place = 0) const;
  std::uint32_t offers() const { return seat_.tasks == 0 ? line_places : seat_.tasks; }
  /// daemon; the word was idle or recalled
  void make_offer(OrderKind kind, JobId job, std::uint32_t attempt, std::uint32_t place = 0);
  /// worker: offered -> begun; false: it was recalled
  bool begin(JobId job, std::uint32_t attempt, std::uint32_t place = 0);
  /// daemon: offered -> recalled; false: the worker has begun it
  bool recall(JobId job, std::uint32_t place = 0);
  void recall_all();  ///< daemon: each that is offered and not begun
  /// worker, after its record is complete; a recalled word becomes idle
  void clear_offer(std::uint32_t place = 0);

  /// Written by a coroutine worker, read by the daemon.
  Pulse& pulse() const;

  /// daemon: the function that runs is stopped, or goes on. begin() clears it.
  void pause_clock(bool paused);
  /// worker: how long it has been stopped, in microseconds; for its time-out.
  std::int64_t paused_us() const noexcept;

  /// The session of the command that a worker has begun, for who cleans up after its death. The worker says
  /// that one is about to begin, then its leader that it leads it: no system call, and known before the exec.
  void session_begins();
  void session_is_led_by(pid_t leader);
  SessionId session() const;

  /// worker: the record is complete or absent whoever is killed when. Returns its seq (from 1, rising by
  /// one). Errors: every place is taken (32 unstored records, 128 of a coroutine worker). A record larger
  /// than a place goes to a file beside it.
  Result<std::uint64_t> append(OrderKind kind, const std::string& outcome_bytes);
  /// worker: the same from a signal handler, for a record of at most `record_bytes_max` while !is_full().
  /// Touches nothing but the mapping; the process must end right after it.
  void append_and_end(OrderKind kind, const char* outcome_bytes, std::size_t size) noexcept;
  static constexpr std::size_t record_bytes_max =
      (20u << 10) - 32;                 ///< of one place; a larger record goes beside
  void mark_stored(std::uint64_t seq);  ///< daemon or worker: places up to seq are free
  /// worker: true while every place is taken, and from now on, until it is false, the daemon sees
  /// awaits_store(). What the daemon marks after it has seen that, it tells by a frame as well.
  bool waits_while_full();
  bool awaits_store() const;
  std::uint64_t stored() const;  ///< the last one so marked
  struct Record {
    std::uint64_t seq;
    OrderKind kind;
    std::string outcome_bytes;
  };
  std::vector<Record> unstored() const;  ///< in order of seq
  bool is_full() const;

  /// Removes the file (and large records beside it).
  static void remove(const std::string& state_dir, const std::string& key);
  /// Keys of all spool files below this state dir.
  static std::vector<std::string> list(const std::string& state_dir);

 private:
  struct Layout;
  struct Desk;
  struct Place;
  static std::size_t places_of(std::uint32_t tasks);
  static std::size_t bytes_of(std::uint32_t tasks);
  Spool(WorkerSeat seat, Layout* layout, std::string path);
  Desk& desk(std::uint32_t place) const;
  std::span<Place> places() const;
  Place& place_of(std::uint64_t seq) const;

  WorkerSeat seat_;
  Layout* layout_;
  std::string path_;
  std::uint64_t seq_ = 0;  ///< worker: of the last record
};

}  // namespace tine
