#pragma once
#include <cstdint>
#include <string>
#include <vector>

/// What std::filesystem has too; that brings static initialisers of locales into `tine`, paid at each start.
namespace tine::shared {

/// The names in a folder, sorted, without . and ..; none if it cannot be read.
std::vector<std::string> names_in(const std::string& folder);
/// A folder or a file, and all below. Follows no link.
void remove_tree(const std::string& path);
/// The sizes of all files in it and below.
std::uint64_t bytes_below(const std::string& folder);

}  // namespace tine::shared
