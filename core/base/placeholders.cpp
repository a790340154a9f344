#include "core/base/placeholders.hpp"

#include <algorithm>

namespace tine {
namespace {

std::string_view last_part(std::string_view line) { return line.substr(line.rfind('/') + 1); }

/// As parallel: up to a last dot that is in the last part and has something behind it.
std::string_view without_extension(std::string_view line) {
  const auto dot = line.rfind('.');
  const auto slash = line.rfind('/');
  if (dot == std::string_view::npos || dot + 1 == line.size()) return line;
  return slash != std::string_view::npos && dot < slash ? line : line.substr(0, dot);
}

/// As dirname(1).
std::string_view folder_of(std::string_view line) {
  const auto without_slashes = [](std::string_view path) {
    while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
    return path;
  };
  line = without_slashes(line);
  const auto slash = line.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return slash == 0 ? line.substr(0, 1) : without_slashes(line.substr(0, slash));
}

/// Appends what stands for the placeholder that `text` begins with; its length, 0: there is none.
std::size_t append_filled(std::string& into, std::string_view text, std::string_view line,
                          std::uint64_t number) {
  if (text.starts_with("{}")) return into.append(line), 2;
  if (text.starts_with("{.}")) return into.append(without_extension(line)), 3;
  if (text.starts_with("{/}")) return into.append(last_part(line)), 3;
  if (text.starts_with("{//}")) return into.append(folder_of(line)), 4;
  if (text.starts_with("{/.}")) return into.append(without_extension(last_part(line))), 4;
  if (text.starts_with("{#}")) return into.append(std::to_string(number)), 3;
  return 0;
}

}  // namespace

std::vector<std::string> fill_placeholders(const std::vector<std::string>& words, std::string_view line,
                                           std::uint64_t number) {
  std::vector<std::string> filled;
  filled.reserve(words.size() + 1);
  bool used = false;
  for (const std::string_view word : words) {
    std::string one;
    for (std::size_t at = 0; at < word.size();) {
      const auto brace = std::min(word.find('{', at), word.size());
      one.append(word, at, brace - at);
      at = brace;
      if (at == word.size()) break;
      const auto length = append_filled(one, word.substr(at), line, number);
      used = used || length > 0;
      if (length == 0) one += '{';
      at += length ? length : 1;
    }
    filled.push_back(std::move(one));
  }
  if (!used) filled.emplace_back(line);
  return filled;
}

bool has_number_placeholder(const std::vector<std::string>& words) {
  for (const auto& word : words)
    if (word.find("{#}") != std::string::npos) return true;
  return false;
}

}  // namespace tine
