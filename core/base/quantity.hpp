#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.hpp"

namespace tine {

/// "500ms 30s 5m 2h 1d", a bare number is seconds, fractions allowed. Errors: Errc::usage, saying what is
/// allowed.
Result<double> parse_duration_s(std::string_view text);
/// "64K 10M 2G", powers of 1024, a bare number is bytes. Errors: Errc::usage.
Result<std::uint64_t> parse_size_bytes(std::string_view text);
/// A whole decimal number within the limits. Errors: Errc::usage, naming the limits.
Result<std::int64_t> parse_integer(std::string_view text, std::int64_t least, std::int64_t greatest);

}  // namespace tine
