#include "core/pool/side_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>

namespace tine {
namespace {

constexpr std::uint64_t page_bytes = 4096;  // so that a freed range shares no page with a living one

std::uint64_t whole_pages(std::uint64_t bytes) { return (bytes + page_bytes - 1) / page_bytes * page_bytes; }

}  // namespace

Result<SideFile> SideFile::create(std::atomic<std::uint64_t>& next) {
  UniqueFd fd(::memfd_create("tine-side-file", MFD_CLOEXEC));
  if (!fd) return errno_error("make a file in memory");
  return SideFile(std::move(fd), next);
}

std::uint64_t SideFile::reserve(std::size_t bytes) { return next_->fetch_add(whole_pages(bytes)); }

Status SideFile::write(std::uint64_t offset, std::string_view bytes) const {
  rlimit limit{};
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && offset + bytes.size() > limit.rlim_cur) {
    errno = EFBIG;
    return errno_error("pass a value of " + std::to_string(bytes.size()) + " bytes on");
  }
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return errno_error("pass a value of " + std::to_string(bytes.size()) + " bytes on");
    bytes.remove_prefix(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
  return ok();
}

Result<std::string> SideFile::read(std::uint64_t offset, std::size_t bytes) const {
  std::string value(bytes, '\0');
  std::size_t done = 0;
  while (done < bytes) {
    const ssize_t got =
        ::pread(fd_.get(), value.data() + done, bytes - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got == 0) errno = EIO;
    if (got <= 0) return errno_error("take a value of " + std::to_string(bytes) + " bytes over");
    done += static_cast<std::size_t>(got);
  }
  return value;
}

void SideFile::free(std::uint64_t offset, std::size_t bytes) const {
  ::fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
              static_cast<off_t>(whole_pages(bytes)));
}

}  // namespace tine
