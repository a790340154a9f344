#pragma once
#include <cstddef>
#include <optional>
#include <string_view>

namespace tine {

/// The offset at which JSON text is nested deeper than limits::json_depth_max; nullopt: it is not. To be
/// asked before a parser that recurses.
std::optional<std::size_t> json_too_deep_at(std::string_view text);

}  // namespace tine
