#pragma once
#include <string>
#include <string_view>

#include "core/base/result.hpp"

namespace tine {

bool is_utf8(std::string_view bytes);  ///< strict: no surrogates, no overlong forms
std::string base64_encode(std::string_view bytes);
/// Errors: Errc::usage, naming the offset.
Result<std::string> base64_decode(std::string_view text);
/// fnmatch-like: `*`, `?` and `[...]`.
bool glob_matches(const std::string& pattern, const std::string& text);

}  // namespace tine
