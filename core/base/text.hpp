#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"

namespace tine {

bool is_utf8(std::string_view bytes);  ///< strict: no surrogates, no overlong forms
/// The parts between separators: always one more than there are of these.
std::vector<std::string_view> split(std::string_view text, char separator);
std::string base64_encode(std::string_view bytes);
/// Errors: Errc::usage, naming the offset.
Result<std::string> base64_decode(std::string_view text);
/// fnmatch-like: `*`, `?` and `[...]`.
bool glob_matches(const std::string& pattern, const std::string& text);

}  // namespace tine
