#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace tine::cmd {

/// One line on stderr that is written over: how many are done, how fast, and how long it will take where
/// stdin is a file.
class MapProgress {
 public:
  explicit MapProgress(bool is_wanted);

  void read(std::size_t bytes) { read_bytes_ += bytes; }
  void done(bool failed) {
    ++done_;
    failed_ += failed;
  }
  void tell();   ///< at most five times a second
  void clear();  ///< before something else is said
  int wait_ms() const { return is_wanted_ ? 200 : -1; }

 private:
  using Clock = std::chrono::steady_clock;
  bool is_wanted_;
  bool is_shown_ = false;
  std::uint64_t done_ = 0, failed_ = 0, read_bytes_ = 0;
  std::uint64_t input_bytes_ = 0;  ///< 0: not known
  Clock::time_point began_ = Clock::now(), told_{};
};

}  // namespace tine::cmd
