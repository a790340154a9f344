#include "core/shared/segment.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "core/base/clock.hpp"
#include "core/base/file.hpp"
#include "core/shared/step.hpp"

namespace tine::shared {
namespace {

std::uint64_t pid_namespace() {
  struct stat info {};
  return ::stat("/proc/self/ns/pid", &info) == 0 ? info.st_ino : 0;
}

constexpr char unfinished_prefix[] = ".new.";

/// What can be said of a file without mapping it: a truncated one would be SIGBUS.
Status judge_header(const SegmentHeader& header, Kind kind, std::uint64_t file_bytes,
                    const std::string& path) {
  const auto wrong = [&](const std::string& what) {
    return make_error(Errc::io, path + " " + what + "; allowed: remove it and make it anew");
  };
  if (std::memcmp(header.magic, segment_magic, sizeof segment_magic) != 0)
    return wrong("is no shared memory of tine");
  if (header.version != layout_version || header.layout_hash != hash_layout())
    return wrong("is of another version of tine (layout " + std::to_string(header.version) + ", this is " +
                 std::to_string(layout_version) + ")");
  if (header.kind != kind) return wrong("is of another kind");
  if (std::strncmp(header.boot_id, boot_id().c_str(), sizeof header.boot_id) != 0)
    return Error{std::error_code(ESTALE, std::generic_category()), path};
  const auto bytes = header.bytes.load();
  if (bytes < header_bytes || bytes > file_bytes || header.bytes_max < bytes)
    return wrong("is truncated: " + std::to_string(file_bytes) + " bytes of " + std::to_string(bytes));
  return ok();
}

}  // namespace

std::string unfinished_path(const std::string& folder) {
  static std::atomic<unsigned> count{0};
  char text[96];
  std::snprintf(text, sizeof text, "/%s%llx.%u", unfinished_prefix,
                static_cast<unsigned long long>(this_process()), count.fetch_add(1));
  return folder + text;
}

bool is_unfinished_and_dead(const std::string& file_name) {
  if (file_name.rfind(unfinished_prefix, 0) != 0) return false;
  const Owner maker = std::strtoull(file_name.c_str() + sizeof unfinished_prefix - 1, nullptr, 16);
  return !is_alive(maker);
}

Error creation_error(Error error) {
  for (const int full : {ENOSPC, EDQUOT, ENOMEM, EFBIG}) {
    if (error.code == std::error_code(full, std::generic_category()))
      return make_error(Errc::cannot_create, error.message());
  }
  return error;
}

Result<std::shared_ptr<Segment>> Segment::make(UniqueFd fd, const std::string& path, Kind kind, Size size,
                                               const Fill& fill) {
  std::shared_ptr<Segment> segment(new Segment(std::move(fd), path));
  size.bytes_max = std::max(size.bytes, size.bytes_max);
  // In force from before the file has its name until the last mapping of it is gone.
  if (::flock(segment->fd_.get(), LOCK_SH) < 0) return errno_error("lock " + segment->name());
  if (auto reserved = segment->reserve(0, size.bytes); !reserved) return reserved.error();
  step("segment reserved");
  if (auto mapped = segment->map(size.bytes_max); !mapped) return mapped.error();
  auto& header = *new (segment->memory_) SegmentHeader{};
  header.version = layout_version;
  header.kind = kind;
  header.layout_hash = hash_layout();
  std::snprintf(header.boot_id, sizeof header.boot_id, "%s", boot_id().c_str());
  header.pid_namespace.store(pid_namespace());
  header.bytes.store(size.bytes);
  header.bytes_max = size.bytes_max;
  if (fill) fill(segment->memory_);
  std::memcpy(header.magic, segment_magic, sizeof header.magic);
  step("segment filled");
  return segment;
}

Result<std::shared_ptr<Segment>> Segment::create(const std::string& path, Kind kind, Size size,
                                                 const Fill& fill) {
  const auto beside = unfinished_path(parent_folder(path));
  UniqueFd fd(::open(beside.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return creation_error(errno_error("create " + beside));
  auto segment = make(std::move(fd), path, kind, size, fill);
  // link, not rename: of two creators one is told that it is there.
  const bool named = segment && ::link(beside.c_str(), path.c_str()) == 0;
  const auto failure = errno_error("create " + path);
  ::unlink(beside.c_str());
  if (!segment || named) return segment;
  if (failure.code == std::errc::file_exists)
    return make_error(Errc::cannot_create, path + " is there already");
  return creation_error(failure);
}

Result<std::shared_ptr<Segment>> Segment::anonymous(Kind kind, Size size, const Fill& fill) {
  UniqueFd fd(::memfd_create("tine", MFD_CLOEXEC));
  if (!fd) return errno_error("memfd_create");
  return make(std::move(fd), "", kind, size, fill);
}

Result<std::shared_ptr<Segment>> Segment::attach(const std::string& path, Kind kind) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (!fd && errno == ENOENT) return make_error(Errc::absent, path + " is not there");
  if (!fd && errno == ELOOP) return make_error(Errc::not_permitted, path + " is a symbolic link");
  if (!fd) return errno_error("open " + path);
  struct stat info {};
  if (::fstat(fd.get(), &info) < 0) return errno_error("stat " + path);
  if (!S_ISREG(info.st_mode)) return make_error(Errc::io, path + " is no file");
  if (info.st_uid != ::geteuid())
    return make_error(Errc::not_permitted, path + " belongs to uid " + std::to_string(info.st_uid) +
                                               "; allowed: uid " + std::to_string(::geteuid()));
  alignas(SegmentHeader) char bytes[sizeof(SegmentHeader)] = {};
  if (::pread(fd.get(), bytes, sizeof bytes, 0) < 0) return errno_error("read " + path);
  const auto& header = *reinterpret_cast<const SegmentHeader*>(bytes);
  if (auto good = judge_header(header, kind, static_cast<std::uint64_t>(info.st_size), path); !good)
    return good.error();

  std::shared_ptr<Segment> segment(new Segment(std::move(fd), path));
  if (auto mapped = segment->map(header.bytes_max); !mapped) return mapped.error();
  if (auto entered = segment->enter_pid_namespace(); !entered) return entered.error();
  return segment;
}

Status Segment::enter_pid_namespace() {
  const auto ours = pid_namespace();
  // Two namespaces can have equal thread ids, and a mutex would let both in. When nobody at all is attached,
  // the other namespace has left it to us.
  if (header().pid_namespace.load() != ours && ::flock(fd_.get(), LOCK_EX | LOCK_NB) == 0)
    header().pid_namespace.store(ours);
  if (::flock(fd_.get(), LOCK_SH) < 0) return errno_error("lock " + path_);
  if (header().pid_namespace.load() == ours) return ok();
  return make_error(Errc::not_permitted, path_ + " is in use in another PID namespace");
}

Segment::~Segment() {
  if (memory_) ::munmap(memory_, mapped_bytes_);
}

Status Segment::reserve(std::uint64_t from, std::uint64_t to) {
  // Not ftruncate: that succeeds on a full disk, and the first store is then a SIGBUS.
  const int code = reserve_range(fd_.get(), from, to);
  if (code == 0) return ok();
  errno = code;
  return creation_error(errno_error("reserve " + std::to_string(to - from) + " bytes for " + name()));
}

Status Segment::map(std::uint64_t bytes) {
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd_.get(), 0);
  if (memory == MAP_FAILED) return creation_error(errno_error("map " + name()));
  memory_ = static_cast<char*>(memory);
  mapped_bytes_ = bytes;
  return ok();
}

Status Segment::grow(std::uint64_t bytes, const Fill& fill) {
  const auto now = header().bytes.load();
  if (bytes > header().bytes_max)
    return make_error(Errc::cannot_create,
                      name() + " is full: it may have " + std::to_string(header().bytes_max) + " bytes");
  if (auto reserved = reserve(now, bytes); !reserved) return reserved;
  step("segment grown");
  fill(memory_ + now);
  header().bytes.store(bytes);
  return ok();
}

Status Segment::check() const {
  const auto why = header().poison.load(std::memory_order_relaxed);
  if (why == Poison::none) return ok();
  return make_error(Errc::io, name() + " is poisoned: " +
                                  (why == Poison::mutex ? "its mutex was lost" : "its structure is damaged") +
                                  "; allowed: remove it and make it anew");
}

const std::string& Segment::mapping() const {
  // Asked of the kernel, not of stat(2): they differ on btrfs and overlayfs.
  static std::mutex one_at_a_time;
  const std::lock_guard guard(one_at_a_time);
  const auto maps = mapping_.empty() ? read_file("/proc/self/maps") : Result<std::string>(std::string());
  if (!maps || maps->empty()) return mapping_;
  char start[24];
  std::snprintf(start, sizeof start, "%08lx-", reinterpret_cast<unsigned long>(memory_));
  for (std::size_t at = 0; at < maps->size(); at = maps->find('\n', at) + 1) {
    if (maps->compare(at, std::strlen(start), start) != 0) continue;
    std::size_t field = at;  // address, permissions, offset; then device and inode
    for (int skipped = 0; skipped < 3; ++skipped) field = maps->find(' ', field) + 1;
    mapping_ = maps->substr(field, maps->find(' ', maps->find(' ', field) + 1) + 1 - field);
    break;
  }
  return mapping_;
}

std::string Segment::name() const { return path_.empty() ? "anonymous shared memory" : path_; }

}  // namespace tine::shared
