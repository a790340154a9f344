#pragma once
#include <chrono>
#include <cstdint>

namespace tine::cmd {

/// One line on stderr that is written over: how many have ended, how fast, and how long it will take where
/// the whole is known.
class Progress {
 public:
  /// `is_wanted`: asked for; it is shown on a terminal alone.
  explicit Progress(bool is_wanted);

  /// The whole in steps of any size (jobs, bytes of input), of which `already` were done before we came.
  void expect(std::uint64_t steps, std::uint64_t already = 0);
  void step(std::uint64_t steps) { steps_ += steps; }
  void done(bool failed) {
    ++done_;
    failed_ += failed;
  }
  /// The count of what there is to end, if that is known: "3 of 10 done".
  void count(std::uint64_t all) { all_ = all; }
  void tell();   ///< at most five times a second
  void clear();  ///< before something else is said
  bool is_shown() const { return is_wanted_; }
  int wait_ms() const { return is_wanted_ ? 200 : -1; }  ///< for a poll() after which to tell() again

 private:
  using Clock = std::chrono::steady_clock;
  bool is_wanted_;
  bool is_on_screen_ = false;
  std::uint64_t done_ = 0, failed_ = 0, all_ = 0;
  std::uint64_t steps_ = 0, steps_before_ = 0, steps_all_ = 0;  ///< 0 of all: not known
  Clock::time_point began_ = Clock::now(), told_{};
};

}  // namespace tine::cmd
