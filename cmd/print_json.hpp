#pragma once
#include <string_view>

#include "ipc/client.hpp"

namespace tine::cmd {

/// One value, one line, on stdout. 0, or 74 (told on stderr) when stdout cannot be written.
int print_json(const ipc::Json& value);
/// Such a line that is text already, likewise.
int print_line(std::string_view line);
/// Text as it is, likewise.
int print_text(std::string_view text);

}  // namespace tine::cmd
