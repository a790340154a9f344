#include "cmd/print_table.hpp"

#include <algorithm>

#include "cmd/terminal.hpp"

namespace tine::cmd {
namespace {

/// Code points: near enough to columns for names.
std::size_t width(const std::string& cell) {
  return static_cast<std::size_t>(
      std::count_if(cell.begin(), cell.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string harmless(std::string cell) {
  for (auto& c : cell) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return cell;
}

}  // namespace

std::string table(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  const bool is_coloured = may_colour();
  const auto state_column =
      rows.empty() ? 0 : std::find(rows[0].begin(), rows[0].end(), "STATE") - rows[0].begin();
  std::string text;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const bool is_state = is_coloured && static_cast<std::ptrdiff_t>(i) == state_column;
      text += coloured_state(harmless(row[i]), row[i], is_state);
      if (i + 1 < row.size()) text.append(widths[i] - width(row[i]) + 2, ' ');
    }
    text += '\n';
  }
  return text;
}

}  // namespace tine::cmd
