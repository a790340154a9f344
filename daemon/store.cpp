#include "daemon/store.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "core/base/failpoint.hpp"
#include "core/base/file.hpp"

namespace tine {
namespace {

constexpr std::uint64_t high_water_magic = 0x31485749454e4954ull;  // "TINEIWH1"

constexpr std::size_t high_water_bytes = 4096;

/// SQLite's WAL needs working locks and one machine's page cache (magic numbers: statfs(2)).
bool is_network_file_system(const std::string& folder) {
  struct statfs info {};
  if (::statfs(folder.c_str(), &info) != 0) return false;
  switch (static_cast<std::uint32_t>(info.f_type)) {
    case 0x6969:      // NFS
    case 0x517b:      // SMB
    case 0xff534d42:  // CIFS
    case 0xfe534d42:  // SMB2
    case 0x5346414f:  // AFS
    case 0x00c36400:  // Ceph
    case 0x01021997:  // 9P
    case 0x0bd00bd0:  // Lustre
      return true;
    default:
      return false;
  }
}

}  // namespace

Result<std::unique_ptr<Store>> Store::open(const std::string& state_dir, Durability durability, Post post) {
  if (is_network_file_system(state_dir))
    return make_error(Errc::cannot_create, state_dir + " is on a network file system; allowed: a local one");
  auto table = JobTable::open(state_dir + "/jobs.db", durability == Durability::power);
  if (!table) return table.error();
  std::unique_ptr<Store> store(new Store(std::move(*table), std::move(post)));
  if (auto status = store->open_high_water(state_dir); !status) return status.error();
  return store;
}

Store::Store(std::unique_ptr<JobTable> table, Post post) : table_(std::move(table)), post_(std::move(post)) {}

/// The file `acknowledged`, mapped: raised after each commit and before its acknowledgements, without a
/// system call. Each word only rises, so a kill between two of them harms nothing.
struct Store::HighWater {
  std::atomic<std::uint64_t> magic;
  std::atomic<std::uint64_t> commit_number;
  std::atomic<JobId> greatest_id;
};

Status Store::open_high_water(const std::string& state_dir) {
  const std::string path = state_dir + "/acknowledged";
  high_water_fd_.reset(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!high_water_fd_) return errno_error("open " + path);
  if (const int error = reserve_range(high_water_fd_.get(), 0, high_water_bytes))
    return errno = error, errno_error("reserve " + path);
  void* memory =
      ::mmap(nullptr, high_water_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, high_water_fd_.get(), 0);
  if (memory == MAP_FAILED) return errno_error("map " + path);
  high_water_ = static_cast<HighWater*>(memory);
  const bool known = high_water_->magic == high_water_magic;
  const JobId acknowledged = known ? high_water_->greatest_id.load() : 0;
  const JobId greatest = table_->greatest_inserted();
  const std::uint64_t commits = known ? high_water_->commit_number.load() : 0;
  if (acknowledged > greatest)
    missing_ = std::to_string(acknowledged - greatest) + " acknowledged jobs are missing, " +
               std::to_string(greatest + 1) + " to " + std::to_string(acknowledged);
  if (commits > table_->commit_number())
    missing_ += (missing_.empty() ? "" : "; ") + std::to_string(commits - table_->commit_number()) +
                " acknowledged changes of jobs are missing";
  if (!missing_.empty()) missing_ = "the store was damaged: " + missing_;
  first_free_id_ = std::max(greatest, acknowledged) + 1;
  if (missing_.empty()) return ok();
  // What was acknowledged before the loss stays taken, and the loss is told once.
  return now([&](JobTable& table) { return table.reserve_ids(std::max(greatest, acknowledged)); });
}

Store::~Store() {
  if (thread_.joinable()) {
    {
      const std::lock_guard lock(door_);
      stopping_ = true;
    }
    knock_.notify_one();
    thread_.join();
  }
  if (high_water_) ::munmap(high_water_, high_water_bytes);
}

void Store::acknowledge() {
  high_water_->commit_number = table_->commit_number();
  high_water_->greatest_id = table_->greatest_inserted();
  high_water_->magic = high_water_magic;
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  if (now.tv_sec == high_water_synced_s_) return;
  high_water_synced_s_ = now.tv_sec;
  // Best effort: the mark only tells of a loss, the store itself is what keeps.
  ::sync_file_range(high_water_fd_.get(), 0, 0, SYNC_FILE_RANGE_WRITE);
}

Status Store::now(const Work& work) {
  if (auto status = table_->begin(); !status) return status;
  auto status = work(*table_);
  if (status) status = table_->commit();
  if (!status) table_->roll_back();
  if (status) acknowledge();
  return status;
}

void Store::submit(Work work, Done done, Haste haste) {
  {
    const std::lock_guard lock(door_);
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
    waiting_.push_back({std::move(work), std::move(done), haste});
    const bool hurried = std::exchange(hurries_, hurries_ || haste == Haste::now);
    if (waiting_.size() > 1 && hurries_ == hurried && waiting_.size() != group_large) return;
  }
  knock_.notify_one();
}

void Store::read(Work look, Done done) {
  {
    const std::lock_guard lock(door_);
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
    // Who has asked for a change first sees it: in its group, which is on its way.
    auto& line = hurries_ ? waiting_ : looks_;
    line.push_back({std::move(look), std::move(done), Haste::now});
    if (hurries_ || looks_.size() > 1) return;
  }
  knock_.notify_one();
}

Store::Turn Store::next(Clock::time_point committed_at) {
  const auto patient_until = committed_at + group_interval;
  std::unique_lock lock(door_);
  const auto is_due = [&] {
    return stopping_ || hurries_ || waiting_.size() >= group_large ||
           (!waiting_.empty() && Clock::now() >= patient_until);
  };
  while (looks_.empty() && !is_due())
    waiting_.empty() ? knock_.wait(lock) : (void)knock_.wait_until(lock, patient_until);
  Turn turn{std::exchange(looks_, {}), {}};
  if (is_due()) {
    hurries_ = false;
    turn.group = std::exchange(waiting_, {});
  }
  return turn;
}

void Store::run() {
  Clock::time_point committed_at;
  for (;;) {
    Turn turn = next(committed_at);
    if (turn.looks.empty() && turn.group.empty()) return;
    run_looks(turn.looks);
    if (turn.group.empty()) continue;
    run_group(std::move(turn.group));
    table_->empty_long_log();
    committed_at = Clock::now();
  }
}

void Store::run_looks(std::vector<Item>& looks) {
  Results results;
  for (auto& item : looks) {
    Status status = item.work(*table_);
    results.emplace_back(std::move(item.done), std::move(status));
  }
  tell(std::move(results));
}

void Store::tell(Results results) {
  if (results.empty()) return;
  post_([results = std::make_shared<Results>(std::move(results))] {
    for (auto& [done, status] : *results)
      if (done) done(std::move(status));
  });
}

void Store::run_group(std::vector<Item> group) {
  Results results;
  results.reserve(group.size());
  Status whole = table_->begin();
  const bool is_alone = group.size() == 1;  // its error is the group's: it needs no savepoint
  for (auto& item : group) {
    Status status = whole;
    if (whole && is_alone) {
      whole = status = item.work(*table_);
    } else if (whole && (status = table_->savepoint())) {
      status = item.work(*table_);
      if (status)
        table_->release();
      else
        table_->roll_back_to_savepoint();
    }
    // SQLite gives up the whole transaction for some errors (a full disk): what came before is undone too.
    if (whole && !table_->is_in_transaction())
      whole = status ? make_error(Errc::io, "store: undone") : status;
    results.emplace_back(std::move(item.done), std::move(status));
  }
  // The steps have names where somebody waits for them: what is stored by the way comes when it comes.
  const bool is_awaited =
      std::any_of(group.begin(), group.end(), [](const Item& item) { return item.haste == Haste::now; });
  const auto step = [&](const char* name) { return is_awaited ? failpoint(name) : 0; };
  if (whole && step("store.commit") != 0) whole = make_error(Errc::io, "store: commit: the disk is full");
  if (whole) whole = table_->commit();
  if (!whole) {
    table_->roll_back();
    for (auto& [done, status] : results) status = whole;
  } else {
    step("store.committed");
    ++commits_;
    acknowledge();
    step("store.acknowledged");
  }
  group.clear();  // what the work held, a batch of a hundred thousand jobs, goes before who waits goes on
  tell(std::move(results));
}

}  // namespace tine
