#pragma once
#include <string_view>

namespace tine::ipc {

/// The text of one member of a JSON object that is written without blanks, as tined does; "" where it has
/// none. For who needs two members of a thousand records: a tree of each costs twenty times as much. What is
/// no such object gives "", or a part of it.
std::string_view member_text(std::string_view object, std::string_view name);

}  // namespace tine::ipc
