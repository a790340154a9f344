#include "cmd/progress.hpp"

#include <unistd.h>

#include <cstdio>
#include <string>

#include "core/base/file.hpp"

namespace tine::cmd {
namespace {

constexpr std::chrono::milliseconds tell_every{200};

std::string duration_text(double seconds) {
  char text[40];
  if (seconds < 100)
    std::snprintf(text, sizeof text, "%.0f s", seconds);
  else if (seconds < 6000)
    std::snprintf(text, sizeof text, "%.0f min", seconds / 60);
  else
    std::snprintf(text, sizeof text, "%.1f h", seconds / 3600);
  return text;
}

}  // namespace

Progress::Progress(bool is_wanted) : is_wanted_(is_wanted && ::isatty(2)) {}

void Progress::expect(std::uint64_t steps, std::uint64_t already) {
  steps_all_ = steps;
  steps_before_ = already;
}

void Progress::tell() {
  const auto now = Clock::now();
  if (!is_wanted_ || now - told_ < tell_every) return;
  told_ = now;
  const double elapsed = std::chrono::duration<double>(now - began_).count();
  std::string line = "\r\033[K" + std::to_string(done_);
  if (all_ > 0) line += " of " + std::to_string(all_);
  line += " done, " + std::to_string(failed_) + " failed";
  // What had ended before we came says nothing of the pace.
  const std::uint64_t fresh = done_ > steps_before_ ? done_ - steps_before_ : 0;
  char rate[40];
  std::snprintf(rate, sizeof rate, ", %.*f/s", fresh < 10 * elapsed ? 1 : 0,
                elapsed > 0 ? static_cast<double>(fresh) / elapsed : 0);
  line += rate;
  if (steps_ > steps_before_ && steps_ < steps_all_) {
    const double pace = static_cast<double>(steps_ - steps_before_) / elapsed;
    line += ", " + duration_text(static_cast<double>(steps_all_ - steps_) / pace) + " left";
  }
  (void)write_all(2, line);
  is_on_screen_ = true;
}

void Progress::clear() {
  if (!is_on_screen_) return;
  (void)write_all(2, "\r\033[K");
  is_on_screen_ = false;
}

}  // namespace tine::cmd
