#include "ipc/line_frame.hpp"

namespace tine::ipc {

std::optional<LineFrame::Line> LineFrame::next() {
  const std::size_t newline = buffer_.find('\n', scanned_ < start_ ? start_ : scanned_);
  if (newline == std::string::npos) {
    scanned_ = buffer_.size();
    if (skipping_ || buffer_.size() - start_ > max_) {
      const bool first = !skipping_;
      skipping_ = true;
      buffer_.clear();
      start_ = scanned_ = 0;
      if (first) return Line{{}, true};
    } else if (start_ > 0) {
      buffer_.erase(0, start_);
      scanned_ = buffer_.size();
      start_ = 0;
    }
    return std::nullopt;
  }
  const std::size_t begin = start_;
  start_ = scanned_ = newline + 1;
  if (skipping_) {
    skipping_ = false;
    return next();
  }
  if (newline - begin > max_) return Line{{}, true};
  return Line{buffer_.substr(begin, newline - begin), false};
}

}  // namespace tine::ipc
