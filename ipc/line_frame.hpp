#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace tine::ipc {

/// Bytes to lines, bounded. A line longer than the bound is swallowed to its end and reported once, so the
/// conversation can go on after it.
class LineFrame {
 public:
  explicit LineFrame(std::size_t line_bytes_max) : max_(line_bytes_max) {}

  struct Line {
    std::string text;       ///< without the newline
    bool too_long = false;  ///< then text is empty
  };

  void feed(std::string_view bytes) { buffer_.append(bytes); }
  /// The next whole line, if there is one.
  std::optional<Line> next();
  bool is_empty() const { return buffer_.size() == start_; }

 private:
  std::size_t max_;
  std::string buffer_;
  std::size_t start_ = 0;    ///< of the first line not yet given out
  std::size_t scanned_ = 0;  ///< up to here there is no newline
  bool skipping_ = false;
};

}  // namespace tine::ipc
