#include "core/pool/output_pump.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "core/base/file.hpp"

namespace tine {

Result<OutputPump> OutputPump::make(int file, std::uint64_t bytes_max) {
  auto pipe = make_pipe();
  if (!pipe) return pipe.error();
  never_block(pipe->read_end.get());
  return OutputPump(std::move(pipe->read_end), std::move(pipe->write_end), file, bytes_max);
}

void OutputPump::pump() {
  char chunk[65536];
  while (read_end_) {
    const ssize_t got = ::read(read_end_.get(), chunk, sizeof chunk);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return read_end_.reset();
    const auto size = static_cast<std::uint64_t>(got);
    const auto kept = std::min(size, left_);
    // A full disk drops the rest, too: the size says how much there was.
    const bool written =
        kept == 0 || write_all(file_, std::string_view(chunk, static_cast<std::size_t>(kept))).has_value();
    left_ = written ? left_ - kept : 0;
    dropped_ += written ? size - kept : size;
  }
}

}  // namespace tine
