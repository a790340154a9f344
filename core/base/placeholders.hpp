#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tine {

/// The words of a command for one line of input, with GNU parallel's placeholders filled in:
/// {} the line, {.} without its extension, {/} its last part, {//} its folder, {/.} its last part without
/// extension, {#} the line's number. Without any of them the line is the last word.
std::vector<std::string> fill_placeholders(const std::vector<std::string>& words, std::string_view line,
                                           std::uint64_t number);

/// Whether {#} is among them.
bool has_number_placeholder(const std::vector<std::string>& words);

}  // namespace tine
