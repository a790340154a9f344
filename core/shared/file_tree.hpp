#pragma once
#include <cstdint>
#include <string>

namespace tine::shared {

/// A folder or a file, and all below. Follows no link.
void remove_tree(const std::string& path);
/// The sizes of all files in it and below.
std::uint64_t bytes_below(const std::string& folder);

}  // namespace tine::shared
