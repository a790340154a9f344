#pragma once
#include <optional>
#include <string_view>

#include "ipc/codec.hpp"

namespace tine::ipc {

/// The value of JSON text within limits::json_depth_max; equal to what Json::parse() makes of it (of -0, 0
/// without a sign), in a third of the time. nullopt: it is wrong or unusual, and Json::parse() is to judge,
/// whose errors say where.
std::optional<Json> read_quickly(std::string_view text);

}  // namespace tine::ipc
