#pragma once
#include <string>
#include <string_view>

/// The few words of roff that a man page needs, each a line or more, ended by a line break.
namespace tine::roff {

/// Text in which nothing means anything to roff.
std::string plain(std::string_view text);
std::string head(std::string_view name, int section, std::string_view program_version);
std::string section(std::string_view title);
std::string paragraph(std::string_view text);
/// `term` stands out, `text` is indented below it.
std::string item(std::string_view term, std::string_view text);
/// As it stands, in a fixed width.
std::string verbatim(std::string_view text);

}  // namespace tine::roff
