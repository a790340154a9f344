#pragma once
#include <lmdb.h>
#include <sys/single_threaded.h>

#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/pool/fork_generation.hpp"
#include "core/shared/dict_metas.hpp"
#include "core/shared/folder.hpp"
#include "core/shared/step.hpp"

namespace tine::shared {

/// LMDB's environment of one dictionary: the only one of it in this process (two would break LMDB's locks),
/// and made anew after a fork. Readers never wait; a writer waits for the other writers. A writer that is
/// killed leaves the old state, a reader nothing that lasts.
///
/// Writers write in the map itself (MDB_WRITEMAP: a ninth of the time, as no page goes through a system
/// call). So each page of the file is reserved before it can be touched, and one process at a time says how
/// large the file is: LMDB cuts it to the size of whoever maps it. And a commit may be cut in its last
/// stores: see DictMetas.
class DictEnvironment {
 public:
  /// Makes the files in `folder`, which exists and is nobody else's yet. LMDB itself only ftruncates its lock
  /// file, so that a full disk would be a SIGBUS: it is reserved first.
  static Status make(const std::string& folder);
  /// Of this process, shared by all who ask. `budget`: where it asks before it grows; none: anonymous. Held
  /// in `place` as long as that lives; what an ancestor had in there is left alone. Errors: Errc::io for
  /// damage; Errc::cannot_create.
  static Result<DictEnvironment*> open(const std::string& folder, const std::optional<Folder>& budget,
                                       std::shared_ptr<DictEnvironment>& place);
  ~DictEnvironment();
  DictEnvironment(const DictEnvironment&) = delete;
  DictEnvironment& operator=(const DictEnvironment&) = delete;

  /// One transaction. `body` gets LMDB's handles, and returns LMDB's code; it may run more than once (when
  /// the map has to grow). Never switch fibers in it. Errors: Errc::cannot_create when it does not fit;
  /// Errc::io.
  template <class Body>
  Status write(const Body& body) {
    for (;;) {
      const int code = try_write(body);
      if (code == MDB_SUCCESS || code == MDB_NOTFOUND) return ok();
      if (auto again = make_room(code); !again) return again;
    }
  }

  /// One snapshot. `body` as above; cheaper than write's, for gets.
  template <class ReadBody>
  Status read(const ReadBody& body) {
    MDB_txn* transaction = nullptr;
    if (auto begun = begin_read(transaction); !begun) return begun;
    const int code = body(transaction, dbi_);
    end_read(transaction);
    return code == MDB_SUCCESS || code == MDB_NOTFOUND ? ok() : Status(error("read", code));
  }

  bool is_of_this_process() const { return generation_ == fork_generation(); }
  int clear_dead_readers();

 private:
  DictEnvironment(std::string folder, std::optional<Folder> budget)
      : folder_(std::move(folder)),
        file_(folder_ + "/data.mdb"),
        budget_(std::move(budget)),
        generation_(fork_generation()) {}
  Status start();
  Status begin_read(MDB_txn*& transaction);
  int begin_write(MDB_txn*& transaction);
  void end_read(MDB_txn* transaction);
  template <class Body>
  int try_write(const Body& body) {
    const MapHold hold(map_);
    MDB_txn* transaction = nullptr;
    if (const int code = begin_write(transaction)) return code;
    step("dict begun");
    if (const int code = body(transaction, dbi_)) {
      ::mdb_txn_abort(transaction);
      return code;
    }
    step("dict written");
    metas_.commits(::mdb_txn_id(transaction));
    const int code = ::mdb_txn_commit(transaction);
    step("dict committed");
    return code;
  }
  /// What a write needs that ended with `code`, before it is tried again.
  Status make_room(int code);
  int descriptor() const;
  Status follow_growth();
  Status grow();
  Error error(const char* what, int code) const;

  std::string folder_, file_;
  std::optional<Folder> budget_;
  std::uint64_t generation_;
  MDB_env* environment_ = nullptr;
  MDB_dbi dbi_ = 0;
  DictMetas metas_;
  /// A shared hold of it, where there are other threads to hold it against: it costs a tenth of a write.
  class MapHold {
   public:
    explicit MapHold(std::shared_mutex& map) : map_(__libc_single_threaded ? nullptr : &map) {
      if (map_) map_->lock_shared();
    }
    ~MapHold() {
      if (map_) map_->unlock_shared();
    }
    MapHold(const MapHold&) = delete;
    MapHold& operator=(const MapHold&) = delete;

   private:
    std::shared_mutex* map_;
  };
  std::shared_mutex map_;  ///< shared: a transaction is open; alone: the map changes its size
  std::mutex readers_mutex_;
  std::vector<MDB_txn*> idle_readers_;  ///< reset ones, to be renewed
};

}  // namespace tine::shared
