#include "core/base/quantity.hpp"

#include <charconv>
#include <cmath>
#include <optional>

#include "core/base/limits.hpp"

namespace tine {
namespace {

struct Number {
  double value = 0;
  std::string_view unit;
};

/// Digits with at most one point, then the unit. from_chars alone would take "inf", "1e5" and a sign.
bool split(std::string_view text, Number& number) {
  const auto digits = text.find_first_not_of("0123456789.");
  const auto figure = text.substr(0, digits);
  number.unit = digits == std::string_view::npos ? std::string_view{} : text.substr(digits);
  if (figure.find_first_of("0123456789") == std::string_view::npos) return false;
  const auto* end = figure.data() + figure.size();
  const auto [at, error] = std::from_chars(figure.data(), end, number.value, std::chars_format::fixed);
  return error == std::errc{} && at == end && std::isfinite(number.value);
}

Error wrong(std::string_view text, std::string_view what, std::string_view allowed) {
  return make_error(
      Errc::usage, "'" + std::string(text) + "' is not a " + std::string(what) + ": " + std::string(allowed));
}

}  // namespace

Result<double> parse_duration_s(std::string_view text) {
  constexpr std::string_view allowed =
      "write 500ms, 30s, 5m, 2h or 1d; a bare number is seconds; at most 3650d";
  Number number;
  if (!split(text, number)) return wrong(text, "duration", allowed);
  double factor = 0;
  if (number.unit.empty() || number.unit == "s") factor = 1;
  if (number.unit == "ms") factor = 1e-3;
  if (number.unit == "m") factor = 60;
  if (number.unit == "h") factor = 3600;
  if (number.unit == "d") factor = 86400;
  const double seconds = number.value * factor;
  if (factor == 0 || seconds > static_cast<double>(limits::duration_s_max))
    return wrong(text, "duration", allowed);
  return seconds;
}

Result<std::uint64_t> parse_size_bytes(std::string_view text) {
  constexpr std::string_view allowed = "write 64K, 10M, 2G or 1T (powers of 1024); a bare number is bytes";
  Number number;
  if (!split(text, number)) return wrong(text, "size", allowed);
  double factor = 0;
  if (number.unit.empty() || number.unit == "B") factor = 1;
  if (number.unit.size() == 1) {
    const auto power = std::string_view("KMGT").find(static_cast<char>(number.unit[0] & ~0x20));
    if (power != std::string_view::npos) factor = std::pow(1024.0, static_cast<double>(power + 1));
  }
  const double bytes = number.value * factor;
  if (factor == 0 || bytes >= 9.2e18)
    return wrong(text, "size", allowed);  // fits a signed 64-bit file offset
  return static_cast<std::uint64_t>(bytes);
}

Result<std::int64_t> parse_integer(std::string_view text, std::int64_t least, std::int64_t greatest) {
  std::int64_t value = 0;
  const auto* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc{} || at != end || value < least || value > greatest) {
    return wrong(text, "number allowed here",
                 "from " + std::to_string(least) + " to " + std::to_string(greatest));
  }
  return value;
}

}  // namespace tine
