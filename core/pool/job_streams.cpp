#include "core/pool/job_streams.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "core/base/file.hpp"
#include "core/base/limits.hpp"

namespace tine {
namespace {

Status open_output(int state_dir_fd, const std::string& name, UniqueFd& fd) {
  if (fd) return ok();
  // Appending: several writers of one job do not write over each other.
  fd.reset(::openat(state_dir_fd, name.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600));
  if (!fd) return errno_error("create " + name);
  return ok();
}

/// All `size` bytes from the start, or nothing.
std::string read_from_start(int fd, std::size_t size) {
  std::string bytes(size, '\0');
  std::size_t got = 0;
  while (got < size) {
    const ssize_t part = ::pread(fd, bytes.data() + got, size - got, static_cast<off_t>(got));
    if (part == 0 || (part < 0 && errno != EINTR)) break;
    if (part > 0) got += static_cast<std::size_t>(part);
  }
  bytes.resize(got);
  return bytes;
}

struct Collected {
  std::uint64_t bytes = 0;
  bool is_in_file = false;
  std::string inlined;
};

Collected collect_one(int state_dir_fd, UniqueFd& fd, const std::string& own, const std::string& kept) {
  Collected result;
  struct stat info {};
  if (!fd || ::fstat(fd.get(), &info) < 0 || info.st_size == 0) return result;
  result.bytes = static_cast<std::uint64_t>(info.st_size);
  if (result.bytes <= limits::output_inline_bytes) {
    result.inlined = read_from_start(fd.get(), result.bytes);
    if (::ftruncate(fd.get(), 0) < 0) fd.reset();  // then the next job gets a new file
    return result;
  }
  result.is_in_file = ::renameat(state_dir_fd, own.c_str(), state_dir_fd, kept.c_str()) == 0;
  if (!result.is_in_file) result.inlined = read_from_start(fd.get(), limits::output_inline_bytes);
  fd.reset();
  return result;
}

/// Without waiting for a writer, should it be a named pipe.
Result<UniqueFd> open_stdin_file(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return errno_error("stdin " + path);
  const int flags = ::fcntl(fd.get(), F_GETFL);
  if (flags >= 0) ::fcntl(fd.get(), F_SETFL, flags & ~O_NONBLOCK);
  return fd;
}

Result<UniqueFd> memory_file(std::string_view bytes) {
  UniqueFd fd(::memfd_create("tine-stdin", MFD_CLOEXEC));
  if (!fd) return errno_error("make a memory file");
  if (auto written = write_all(fd.get(), bytes); !written) return written.error();
  if (::lseek(fd.get(), 0, SEEK_SET) < 0) return errno_error("rewind a memory file");
  return fd;
}

/// -1 without an error: /dev/null.
Result<UniqueFd> open_stdin(const StartOrder& order, const JobSpec& spec) {
  if (!spec.stdin_path.empty()) return open_stdin_file(spec.stdin_path);
  if (!order.stdin_bytes.empty()) return memory_file(order.stdin_bytes);
  return UniqueFd();
}

}  // namespace

Status OutputFiles::open() {
  if (auto status = open_output(state_dir_fd_, own_name(".out"), out_); !status) return status;
  return open_output(state_dir_fd_, own_name(".err"), err_);
}

void OutputFiles::collect(Outcome& outcome) {
  auto out = collect_one(state_dir_fd_, out_, own_name(".out"), job_name(outcome.job, ".out"));
  outcome.stdout_bytes = out.bytes;
  outcome.stdout_in_file = out.is_in_file;
  outcome.stdout_inline = std::move(out.inlined);
  auto err = collect_one(state_dir_fd_, err_, own_name(".err"), job_name(outcome.job, ".err"));
  outcome.stderr_bytes = err.bytes;
  outcome.stderr_in_file = err.is_in_file;
  outcome.stderr_inline = std::move(err.inlined);
}

void OutputFiles::remove() {
  ::unlinkat(state_dir_fd_, own_name(".out").c_str(), 0);
  ::unlinkat(state_dir_fd_, own_name(".err").c_str(), 0);
}

Result<JobStreams> open_streams(const StartOrder& order, const JobSpec& spec, std::vector<UniqueFd> descriptors, int null_fd,
                                OutputFiles& files) {
  JobStreams streams;
  streams.held = std::move(descriptors);
  streams.in = streams.out = streams.err = null_fd;
  if (streams.held.size() != order.descriptors) return make_error(Errc::internal, "the caller's descriptors did not arrive");
  if (!streams.held.empty()) {
    streams.in = streams.held.front().get();
    streams.alive = std::move(streams.held.back());
  } else {
    auto in = open_stdin(order, spec);
    if (!in) return in.error();
    if (*in) {
      streams.in = in->get();
      streams.held.push_back(std::move(*in));
    }
  }
  if (order.descriptors == 4) {
    streams.out = streams.held[1].get();
    streams.err = streams.held[2].get();
  } else if (order.kind == OrderKind::job) {
    if (auto status = files.open(); !status) return status.error();
    streams.out = files.out();
    streams.err = files.err();
    streams.is_captured = true;
  }
  return streams;
}

}  // namespace tine
