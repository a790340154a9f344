#include "cmd/map_progress.hpp"

#include <sys/stat.h>

#include <cstdio>
#include <string>

#include "core/base/file.hpp"

namespace tine::cmd {
namespace {

constexpr std::chrono::milliseconds tell_every{200};

std::uint64_t size_of_stdin() {
  struct stat about {};
  if (::fstat(0, &about) < 0 || !S_ISREG(about.st_mode)) return 0;
  return static_cast<std::uint64_t>(about.st_size);
}

}  // namespace

MapProgress::MapProgress(bool is_wanted)
    : is_wanted_(is_wanted), input_bytes_(is_wanted ? size_of_stdin() : 0) {}

void MapProgress::tell() {
  const auto now = Clock::now();
  if (!is_wanted_ || now - told_ < tell_every) return;
  told_ = now;
  const double elapsed = std::chrono::duration<double>(now - began_).count();
  char text[160];
  std::snprintf(text, sizeof text, "\r\033[K%llu done, %llu failed, %.0f/s",
                static_cast<unsigned long long>(done_), static_cast<unsigned long long>(failed_),
                static_cast<double>(done_) / elapsed);
  std::string line = text;
  if (input_bytes_ > 0 && read_bytes_ > 0 && read_bytes_ < input_bytes_) {
    const double left = elapsed * (static_cast<double>(input_bytes_) / static_cast<double>(read_bytes_) - 1);
    std::snprintf(text, sizeof text, ", %.0f s left", left);
    line += text;
  }
  (void)write_all(2, line);
  is_shown_ = true;
}

void MapProgress::clear() {
  if (!is_shown_) return;
  (void)write_all(2, "\r\033[K");
  is_shown_ = false;
}

}  // namespace tine::cmd
