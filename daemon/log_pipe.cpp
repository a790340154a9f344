#include "daemon/log_pipe.hpp"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <asio/posix/stream_descriptor.hpp>
#include <memory>

#include "core/base/file.hpp"

namespace tine {
namespace {

constexpr std::size_t line_bytes_max = 8u << 10;  ///< what is longer comes as several

struct Reader : std::enable_shared_from_this<Reader> {
  Reader(asio::io_context& loop, int fd, std::string whose) : pipe(loop, fd), who(std::move(whose)) {}

  void read() {
    pipe.async_wait(asio::posix::stream_descriptor::wait_read,
                    [self = shared_from_this()](const std::error_code& error) {
                      if (!error && self->take()) self->read();
                    });
  }

  bool take() {
    char chunk[16u << 10];
    const ssize_t got = ::read(pipe.native_handle(), chunk, sizeof chunk);
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    for (ssize_t i = 0; i < got; ++i) {
      if (chunk[i] == '\n' || line.size() >= line_bytes_max) tell();
      if (chunk[i] != '\n') line += chunk[i];
    }
    if (got == 0 && !line.empty()) tell();
    return got > 0;
  }

  void tell() {
    spdlog::info("{}: {}", who, line);
    line.clear();
  }

  asio::posix::stream_descriptor pipe;
  std::string who, line;
};

}  // namespace

Result<UniqueFd> open_log_pipe(asio::io_context& loop, std::string who) {
  auto pipe = make_pipe();
  if (!pipe) return pipe.error();
  never_block(pipe->read_end.get());
  std::make_shared<Reader>(loop, pipe->read_end.release(), std::move(who))->read();
  return std::move(pipe->write_end);
}

}  // namespace tine
