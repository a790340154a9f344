#pragma once
#include <string>
#include <string_view>

namespace tine::cmd {

/// Whether stdout is a terminal and $NO_COLOR (no-color.org) does not forbid colours.
bool may_colour();

/// A cell of a table with what its state's colour needs before and after it: green for a success, red for
/// what went wrong, yellow for what runs, none for the rest. As it is where `is_coloured` is false.
std::string coloured_state(std::string cell, std::string_view state, bool is_coloured);

}  // namespace tine::cmd
