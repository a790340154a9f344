#include "cmd/halt.hpp"

#include <string>

#include "core/base/quantity.hpp"

namespace tine::cmd {
namespace {

/// Of fewer a percentage says nothing; parallel's number.
constexpr std::uint64_t ended_least = 3;

}  // namespace

Result<Halt> Halt::parse(const std::optional<std::string_view>& given) {
  if (!given) return Halt();
  const std::string_view text = *given;
  const auto wrong = [&] {
    return make_error(Errc::usage, "--halt " + std::string(text) +
                                       " is not right; allowed: now or soon, a comma, fail=N, success=N or "
                                       "done=N; N from 1, or 1% to 100%");
  };
  Halt halt;
  const auto comma = text.find(','), equals = text.find('=');
  if (comma == std::string_view::npos || equals == std::string_view::npos || equals < comma) return wrong();
  const auto when = text.substr(0, comma), what = text.substr(comma + 1, equals - comma - 1);
  auto number = text.substr(equals + 1);
  halt.is_now_ = when == "now";
  halt.counts_ = what == "fail"      ? Counts::failures
                 : what == "success" ? Counts::successes
                 : what == "done"    ? Counts::all
                                     : Counts::nothing;
  if ((when != "now" && when != "soon") || halt.counts_ == Counts::nothing) return wrong();
  halt.is_percent_ = number.ends_with('%');
  if (halt.is_percent_) number.remove_suffix(1);
  const auto limit = parse_integer(number, 1, halt.is_percent_ ? 100 : INT64_MAX);
  if (!limit) return wrong();
  halt.limit_ = static_cast<std::uint64_t>(*limit);
  return halt;
}

bool Halt::ended(bool succeeded) {
  ++ended_;
  failed_ += !succeeded;
  if (reached_ || counts_ == Counts::nothing) return false;
  const auto counted = counts_ == Counts::failures    ? failed_
                       : counts_ == Counts::successes ? ended_ - failed_
                                                      : ended_;
  reached_ = is_percent_ ? ended_ >= ended_least && counted * 100 >= limit_ * ended_ : counted >= limit_;
  return reached_;
}

}  // namespace tine::cmd
