#include "core/base/file.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

namespace tine {
namespace {

Result<UniqueFd> open_to_read(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return errno_error("open " + path);
  return fd;
}

Error with_path(const Error& error, const std::string& path) {
  return Error{error.code, error.context + " " + path};
}

Status sync_folder(const std::string& path) {
  const UniqueFd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return errno_error("open " + path);
  if (::fsync(folder.get()) < 0 && errno != EINVAL) return errno_error("fsync " + path);
  return ok();
}

Status make_folder(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) == 0 || errno == EEXIST) return ok();
  return errno_error("mkdir " + path);
}

}  // namespace

Result<std::string> read_all(int fd) {
  std::string bytes;
  char buffer[16384];
  for (;;) {
    const ssize_t size = ::read(fd, buffer, sizeof buffer);
    if (size == 0) return bytes;
    if (size > 0) {
      bytes.append(buffer, static_cast<std::size_t>(size));
    } else if (errno != EINTR) {
      return errno_error("read");
    }
  }
}

int reserve_range(int fd, std::uint64_t from, std::uint64_t to) {
  int code = EINTR;
  while (code == EINTR) code = ::posix_fallocate(fd, static_cast<off_t>(from), static_cast<off_t>(to - from));
  return code;
}

Result<std::string> read_file(const std::string& path) {
  auto fd = open_to_read(path);
  if (!fd) return fd.error();
  auto bytes = read_all(fd->get());
  if (!bytes) return with_path(bytes.error(), path);
  return bytes;
}

Result<std::string> read_tail(const std::string& path, std::size_t tail_bytes) {
  auto fd = open_to_read(path);
  if (!fd) return fd.error();
  struct stat info {};
  if (::fstat(fd->get(), &info) < 0) return errno_error("stat " + path);
  if (info.st_size > static_cast<off_t>(tail_bytes) &&
      ::lseek(fd->get(), info.st_size - static_cast<off_t>(tail_bytes), SEEK_SET) < 0) {
    return errno_error("seek " + path);
  }
  auto bytes = read_all(fd->get());
  if (!bytes) return with_path(bytes.error(), path);
  // It may have grown since the stat.
  if (bytes->size() > tail_bytes) bytes->erase(0, bytes->size() - tail_bytes);
  return bytes;
}

Status write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t size = ::write(fd, bytes.data(), bytes.size());
    if (size >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(size));
    } else if (errno != EINTR) {
      return errno_error("write");
    }
  }
  return ok();
}

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) < 0) return errno_error("make a pipe");
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

void never_block(int fd) { ::fcntl(fd, F_SETFL, O_NONBLOCK); }

Status replace_file(const std::string& path, std::string_view bytes) {
  const std::string beside = path + ".new." + std::to_string(::getpid());
  const UniqueFd fd(::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd) return errno_error("create " + beside);
  const auto give_up = [&](Error error) {
    ::unlink(beside.c_str());
    return error;
  };
  if (auto written = write_all(fd.get(), bytes); !written) return give_up(with_path(written.error(), beside));
  if (::fsync(fd.get()) < 0) return give_up(errno_error("fsync " + beside));
  if (::rename(beside.c_str(), path.c_str()) < 0) return give_up(errno_error("rename to " + path));
  return sync_folder(parent_folder(path));
}

Status make_private_folder(const std::string& path) {
  for (std::size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1)) {
    if (at + 1 == path.size()) break;
    if (auto made = make_folder(path.substr(0, at), 0755); !made) return made;
  }
  if (auto made = make_folder(path, 0700); !made) return made;
  struct stat info {};
  if (::stat(path.c_str(), &info) < 0) return errno_error("stat " + path);
  if (!S_ISDIR(info.st_mode)) return errno = ENOTDIR, errno_error("use " + path);
  // The umask may have taken bits away, and a folder that was there may be open to others.
  if ((info.st_mode & 07777) != 0700 && ::chmod(path.c_str(), 0700) < 0) return errno_error("chmod " + path);
  return ok();
}

std::string parent_folder(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  if (slash == 0) return "/";
  return path.substr(0, slash);
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  DIR* stream = ::opendir(folder.c_str());
  if (stream == nullptr) return names;
  while (const dirent* entry = ::readdir(stream)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  ::closedir(stream);
  std::sort(names.begin(), names.end());
  return names;
}

std::string absolute_path(const std::string& path, const std::string& base) {
  if (!path.empty() && path.front() == '/') return path;
  if (path.empty() || path == ".") return base;
  return base.empty() || base.back() == '/' ? base + path : base + "/" + path;
}

}  // namespace tine
