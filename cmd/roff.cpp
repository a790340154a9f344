#include "cmd/roff.hpp"

#include <algorithm>

namespace tine::roff {

std::string plain(std::string_view text) {
  std::string escaped;
  bool at_line_start = true;
  for (const char c : text) {
    if (at_line_start && (c == '.' || c == '\'')) escaped += "\\&";
    at_line_start = c == '\n';
    if (c == '\\')
      escaped += "\\e";
    else if (c == '-')
      escaped += "\\-";
    else
      escaped += c;
  }
  return escaped;
}

std::string head(std::string_view name, int section, std::string_view program_version) {
  std::string title(name);
  std::transform(title.begin(), title.end(), title.begin(), [](unsigned char c) { return std::toupper(c); });
  return ".TH " + plain(title) + " " + std::to_string(section) + " \"\" \"" + plain(program_version) + "\"\n";
}

std::string section(std::string_view title) { return ".SH " + plain(title) + "\n"; }

std::string paragraph(std::string_view text) { return ".PP\n" + plain(text) + "\n"; }

std::string item(std::string_view term, std::string_view text) {
  return ".TP\n\\fB" + plain(term) + "\\fR\n" + plain(text) + "\n";
}

std::string verbatim(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  return ".PP\n.nf\n" + plain(text) + "\n.fi\n";
}

}  // namespace tine::roff
