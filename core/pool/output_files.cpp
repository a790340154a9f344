#include "core/pool/output_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "core/base/limits.hpp"

namespace tine {

OutputFiles::OutputFiles(std::string state_dir, const std::string& key) : state_dir_(std::move(state_dir)) {
  streams_[0].path = state_dir_ + "/output/" + key + ".out";
  streams_[1].path = state_dir_ + "/output/" + key + ".err";
}

Status OutputFiles::prepare() {
  for (Stream& stream : streams_) {
    if (!stream.fd) {
      // Appending: the processes of one job must not write over each other.
      stream.fd.reset(::open(stream.path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600));
      if (!stream.fd) return errno_error("open " + stream.path);
    }
  }
  return ok();
}

bool OutputFiles::take(Stream& stream, const std::string& kept_path, std::string& inline_bytes,
                       std::uint64_t& size) {
  struct stat info {};
  if (!stream.fd || ::fstat(stream.fd.get(), &info) < 0) return false;
  size = static_cast<std::uint64_t>(info.st_size);
  if (size == 0) return false;
  if (size > limits::output_inline_bytes && ::rename(stream.path.c_str(), kept_path.c_str()) == 0) {
    stream.fd.reset();
    return true;
  }
  // Where the rename failed, what fits is kept; the size says that there was more.
  inline_bytes.resize(std::min<std::uint64_t>(size, limits::output_inline_bytes));
  const ssize_t got = ::pread(stream.fd.get(), inline_bytes.data(), inline_bytes.size(), 0);
  inline_bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  if (::ftruncate(stream.fd.get(), 0) < 0) stream.fd.reset();
  return false;
}

/// How many bytes were too many.
std::uint64_t OutputFiles::cut(const Stream& stream, std::uint64_t bytes_max) {
  struct stat info {};
  if (!stream.fd || ::fstat(stream.fd.get(), &info) < 0) return 0;
  const auto size = static_cast<std::uint64_t>(info.st_size);
  if (size <= bytes_max || ::ftruncate(stream.fd.get(), static_cast<off_t>(bytes_max)) < 0) return 0;
  return size - bytes_max;
}

void OutputFiles::collect(Outcome& outcome, std::uint64_t bytes_max) {
  const std::string kept = state_dir_ + "/output/" + std::to_string(outcome.job);
  if (bytes_max != no_bound) {
    outcome.stdout_dropped_bytes += cut(streams_[0], bytes_max);
    outcome.stderr_dropped_bytes += cut(streams_[1], bytes_max);
  }
  outcome.stdout_in_file = take(streams_[0], kept + ".out", outcome.stdout_inline, outcome.stdout_bytes);
  outcome.stderr_in_file = take(streams_[1], kept + ".err", outcome.stderr_inline, outcome.stderr_bytes);
  outcome.stdout_bytes += outcome.stdout_dropped_bytes;
  outcome.stderr_bytes += outcome.stderr_dropped_bytes;
}

void OutputFiles::remove() {
  for (Stream& stream : streams_) {
    stream.fd.reset();
    ::unlink(stream.path.c_str());
  }
}

}  // namespace tine
