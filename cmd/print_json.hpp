#pragma once
#include <string_view>

#include "ipc/client.hpp"

namespace tine::cmd {

/// One value, one line, on stdout. 0, or 74 (told on stderr) when stdout cannot be written.
int print_json(const ipc::Json& value);
/// Text as it is, likewise.
int print_text(std::string_view text);

}  // namespace tine::cmd
