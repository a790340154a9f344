#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/base/result.hpp"

namespace tine::cmd {

/// `--halt now|soon,fail|success|done=N|N%`, as GNU parallel has it: when so many have ended so, no more is
/// started, and `now` what runs is ended too. N% is of those that have ended, at least 3.
class Halt {
 public:
  Halt() = default;  ///< never
  /// Nothing given: never. Errors: Errc::usage, saying what is allowed.
  static Result<Halt> parse(const std::optional<std::string_view>& given);
  static constexpr const char* placeholder = "now|soon,fail|success|done=N|N%";

  bool is_wanted() const { return counts_ != Counts::nothing; }
  bool ends_the_running() const { return is_now_; }
  /// One has ended. True, once: now is the time.
  bool ended(bool succeeded);
  bool is_reached() const { return reached_; }
  /// What was waited for is a success: the whole is one, whatever else has failed.
  bool is_reached_by_success() const { return reached_ && counts_ == Counts::successes; }

 private:
  enum class Counts { nothing, failures, successes, all };
  Counts counts_ = Counts::nothing;
  bool is_now_ = false, is_percent_ = false, reached_ = false;
  std::uint64_t limit_ = 0;
  std::uint64_t ended_ = 0, failed_ = 0;
};

}  // namespace tine::cmd
