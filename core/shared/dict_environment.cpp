#include "core/shared/dict_environment.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <new>

#include "core/base/file.hpp"

namespace tine::shared {
namespace {

constexpr std::uint64_t map_bytes_at_first = 1u << 20;
constexpr unsigned readers_max = 4096;
/// LMDB: sizeof(MDB_txninfo) and 64 bytes a reader, rounded up to pages.
constexpr std::uint64_t lock_file_bytes = 4096 + readers_max * 64;
constexpr unsigned flags = MDB_NOSYNC | MDB_NOTLS | MDB_NORDAHEAD;

/// The environments that this process has open, by device and inode. What an ancestor had open is left alone:
/// closing it here would take the ancestor's readers out of the table.
struct Registry {
  std::mutex mutex;
  std::map<std::pair<dev_t, ino_t>, std::weak_ptr<DictEnvironment>> open;
  std::vector<std::shared_ptr<DictEnvironment>> of_ancestors;
};

Registry& registry() {
  static auto* all = new Registry;
  // In the child no other thread is there to unlock it.
  static const int registered = ::pthread_atfork(nullptr, nullptr, [] {
    new (&all->mutex) std::mutex;
    for (auto& [file, environment] : all->open) {
      if (auto held = environment.lock()) all->of_ancestors.push_back(std::move(held));
    }
    all->open.clear();
  });
  (void)registered;
  return *all;
}

/// New bytes at the end.
Status extend(int fd, std::uint64_t from, std::uint64_t to, const std::string& path) {
  const int code = reserve_range(fd, from, to);
  if (code == 0) return ok();
  errno = code;
  return creation_error(errno_error("reserve " + path));
}

Status reserve_file(const std::string& path, std::uint64_t bytes) {
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return creation_error(errno_error("create " + path));
  return extend(fd.get(), 0, bytes, path);
}

/// A copy of the file may have holes, whose first touch on a full disk is a SIGBUS.
Status fill_holes(int fd, std::uint64_t bytes, const std::string& path) {
  int code = 0;
  while ((code = ::fallocate(fd, 0, 0, static_cast<off_t>(bytes))) < 0 && errno == EINTR) {
  }
  if (code == 0 || errno == EOPNOTSUPP) return ok();
  return creation_error(errno_error("reserve " + path));
}

/// While it lives no other process changes the size of the file that `fd`, the caller's, has open. No flock,
/// which a child would hold on that another thread forks meanwhile.
class SizeTurn {
 public:
  explicit SizeTurn(int fd) : fd_(fd) { set(F_WRLCK); }
  ~SizeTurn() { set(F_UNLCK); }
  SizeTurn(const SizeTurn&) = delete;
  SizeTurn& operator=(const SizeTurn&) = delete;
  /// 0: there is none.
  std::uint64_t size() const {
    struct stat info {};
    return ::fstat(fd_, &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
  }

 private:
  void set(short type) const {
    struct flock whole {};
    whole.l_type = type;
    while (fd_ >= 0 && ::fcntl(fd_, F_SETLKW, &whole) < 0 && errno == EINTR) {
    }
  }
  int fd_;
};

}  // namespace

Status DictEnvironment::make(const std::string& folder) {
  if (auto reserved = reserve_file(folder + "/lock.mdb", lock_file_bytes); !reserved) return reserved;
  DictEnvironment environment(folder, std::nullopt);
  if (auto started = environment.start(); !started) return started;
  // LMDB takes a file of zeros for damaged: the rest is reserved when its first pages are there.
  if (auto reserved = reserve_file(folder + "/data.mdb", map_bytes_at_first); !reserved) return reserved;
  return ok();
}

Result<DictEnvironment*> DictEnvironment::open(const std::string& folder, const std::optional<Folder>& budget,
                                               std::shared_ptr<DictEnvironment>& place) {
  auto& all = registry();
  const std::lock_guard guard(all.mutex);
  if (place && place->is_of_this_process()) return place.get();
  // By the file itself: one that was removed and made anew has the old one's path.
  struct stat info {};
  if (::stat((folder + "/data.mdb").c_str(), &info) < 0)
    return errno == ENOENT ? make_error(Errc::absent, folder + " is not there any more")
                           : errno_error("open " + folder);
  auto& known = all.open[{info.st_dev, info.st_ino}];
  auto environment = known.lock();
  if (!environment) {
    environment.reset(new DictEnvironment(folder, budget));
    if (auto started = environment->start(); !started) return started.error();
    known = environment;
  }
  if (place) all.of_ancestors.push_back(std::move(place));
  place = std::move(environment);
  return place.get();
}

Error DictEnvironment::error(const char* what, int code) const {
  const auto text = std::string(what) + " dictionary " + folder_ + ": " + ::mdb_strerror(code);
  if (code == ENOSPC || code == EDQUOT || code == ENOMEM || code == MDB_MAP_FULL)
    return make_error(Errc::cannot_create, text);
  if (code == ENOENT) return make_error(Errc::absent, text);
  if (code == MDB_BAD_VALSIZE) return make_error(Errc::usage, text);
  return make_error(Errc::io, text);
}

Status DictEnvironment::start() {
  if (const int code = ::mdb_env_create(&environment_)) return error("open", code);
  ::mdb_env_set_maxreaders(environment_, readers_max);
  {
    const UniqueFd file(::open(file_.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC));
    const SizeTurn turn(file.get());
    const bool is_new = turn.size() == 0;
    const std::uint64_t size = std::max(map_bytes_at_first, turn.size());
    if (auto filled = is_new ? ok() : fill_holes(file.get(), size, file_); !filled) return filled;
    ::mdb_env_set_mapsize(environment_, size);
    // The first pages of a new one are written, not mapped: a full disk is an error.
    if (const int code =
            ::mdb_env_open(environment_, folder_.c_str(), is_new ? flags : flags | MDB_WRITEMAP, 0600))
      return error("open", code);
  }
  MDB_stat pages{};
  ::mdb_env_stat(environment_, &pages);
  if (auto mapped = metas_.map(descriptor(), pages.ms_psize); !mapped)
    return make_error(Errc::io, file_ + ": " + mapped.error().message());
  int dead = 0;
  ::mdb_reader_check(environment_, &dead);
  // The main database needs no name; its handle is the same in every process.
  MDB_txn* transaction = nullptr;
  int code = ::mdb_txn_begin(environment_, nullptr, MDB_RDONLY, &transaction);
  // Another process let it grow since its size was read, perhaps again and again.
  for (; code == MDB_MAP_RESIZED; code = ::mdb_txn_begin(environment_, nullptr, MDB_RDONLY, &transaction))
    if (auto status = follow_growth(); !status) return status;
  if (code == MDB_SUCCESS) {
    code = ::mdb_dbi_open(transaction, nullptr, 0, &dbi_);
    code ? ::mdb_txn_abort(transaction) : (void)(code = ::mdb_txn_commit(transaction));
  }
  return code ? Status(error("open", code)) : ok();
}

DictEnvironment::~DictEnvironment() {
  if (environment_ == nullptr || !is_of_this_process()) return;
  for (auto* reader : idle_readers_) ::mdb_txn_abort(reader);
  ::mdb_env_close(environment_);
}

Status DictEnvironment::begin_read(MDB_txn*& transaction) {
  for (;;) {
    map_.lock_shared();
    {
      const std::lock_guard guard(readers_mutex_);
      if (!idle_readers_.empty()) transaction = idle_readers_.back(), idle_readers_.pop_back();
    }
    int code = transaction ? ::mdb_txn_renew(transaction)
                           : ::mdb_txn_begin(environment_, nullptr, MDB_RDONLY, &transaction);
    const bool is_cut = code == MDB_SUCCESS && metas_.is_cut(::mdb_txn_id(transaction));
    if (code == MDB_SUCCESS && !is_cut) return ok();
    if (transaction) ::mdb_txn_abort(transaction);
    transaction = nullptr;
    map_.unlock_shared();
    if (is_cut) {
      // Who begins to write undoes it.
      if (auto written = write([](MDB_txn*, MDB_dbi) { return MDB_NOTFOUND; }); !written) return written;
      continue;
    }
    if (code == MDB_READERS_FULL && clear_dead_readers() > 0) continue;
    if (code != MDB_MAP_RESIZED) return error("read", code);
    if (auto followed = follow_growth(); !followed) return followed;
  }
}

int DictEnvironment::begin_write(MDB_txn*& transaction) {
  for (;;) {
    if (const int code = ::mdb_txn_begin(environment_, nullptr, 0, &transaction)) return code;
    const std::size_t last = ::mdb_txn_id(transaction) - 1;
    if (!metas_.is_cut(last)) return MDB_SUCCESS;
    metas_.undo(last);
    ::mdb_txn_abort(transaction);  // it has read the cut one
  }
}

void DictEnvironment::end_read(MDB_txn* transaction) {
  ::mdb_txn_reset(transaction);
  {
    const std::lock_guard guard(readers_mutex_);
    idle_readers_.push_back(transaction);
  }
  map_.unlock_shared();
}

Status DictEnvironment::make_room(int code) {
  if (code == MDB_MAP_RESIZED) return follow_growth();
  if (code != MDB_MAP_FULL) return error("write", code);
  // A dead reader keeps old pages from being used again.
  return clear_dead_readers() > 0 ? ok() : grow();
}

int DictEnvironment::clear_dead_readers() {
  int dead = 0;
  ::mdb_reader_check(environment_, &dead);
  return dead;
}

/// Of the file itself, which may have lost its name.
int DictEnvironment::descriptor() const {
  int fd = -1;
  ::mdb_env_get_fd(environment_, &fd);
  return fd;
}

/// Another process let it grow.
Status DictEnvironment::follow_growth() {
  const std::unique_lock guard(map_);
  const SizeTurn turn(descriptor());
  const int code = ::mdb_env_set_mapsize(environment_, turn.size());
  return code ? Status(error("grow", code)) : ok();
}

Status DictEnvironment::grow() {
  const std::unique_lock guard(map_);
  const SizeTurn turn(descriptor());
  MDB_envinfo info{};
  ::mdb_env_info(environment_, &info);
  const std::uint64_t there = turn.size();
  std::uint64_t wanted = there;
  // Unless another process has reserved more already.
  if (there <= info.me_mapsize) {
    wanted = std::max<std::uint64_t>(info.me_mapsize * 2, map_bytes_at_first);
    const auto take = [&] { return extend(descriptor(), there, wanted, file_); };
    const auto taken = budget_ ? budget_->within_budget(wanted - there, take) : take();
    if (!taken) return taken;
  }
  const int code = ::mdb_env_set_mapsize(environment_, wanted);
  return code ? Status(error("grow", code)) : ok();
}

}  // namespace tine::shared
