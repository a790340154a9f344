#pragma once
#include <string>
#include <string_view>

namespace tine::ipc {

/// Appends a string to JSON text as the wire has it, {"base64":"…"} where it is not UTF-8: without a tree in
/// between, for what is long and simple.
void append_wire(std::string& json, std::string_view bytes);

}  // namespace tine::ipc
