#include "ipc/wire_text.hpp"

#include <array>
#include <nlohmann/json.hpp>

#include "core/base/text.hpp"

namespace tine::ipc {
namespace {

/// Whether a byte stands for itself in a JSON string.
constexpr auto is_plain = [] {
  std::array<bool, 256> plain{};
  for (std::size_t c = 0x20; c < plain.size(); ++c) plain[c] = c != '"' && c != '\\';
  return plain;
}();

/// As nlohmann-json writes it: records go out by way of both.
void append_escaped(std::string& json, char c) {
  constexpr std::string_view short_ones = "\b\t\n\f\r\"\\", letters = "btnfr\"\\";
  if (const auto at = short_ones.find(c); at != std::string_view::npos) {
    json.append({'\\', letters[at]});
    return;
  }
  constexpr char digits[] = "0123456789abcdef";
  json.append("\\u00").append({digits[c >> 4], digits[c & 15]});
}

/// Of UTF-8. What stands for itself goes in one piece: a character at a time costs six times as much.
void append_quoted(std::string& json, std::string_view text) {
  json += '"';
  std::size_t done = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (is_plain[static_cast<unsigned char>(c)]) continue;
    json.append(text, done, at - done);
    done = at + 1;
    append_escaped(json, c);
  }
  json.append(text, done).append(1, '"');
}

}  // namespace

void append_wire(std::string& json, std::string_view bytes) {
  if (is_utf8(bytes)) return append_quoted(json, bytes);
  json.append(R"({"base64":")").append(base64_encode(bytes)).append("\"}");
}

std::string& ObjectText::member(std::string_view name) {
  if (json_.back() != '{') json_ += ',';
  append_quoted(json_, name);
  return json_ += ':';
}

void ObjectText::wires(std::string_view name, std::span<const std::string_view> all) {
  member(name) += '[';
  for (const auto one : all) {
    if (json_.back() != '[') json_ += ',';
    append_wire(json_, one);
  }
  json_ += ']';
}

void ObjectText::text(std::string_view name, std::string_view text) {
  if (is_utf8(text)) return append_quoted(member(name), text);
  member(name) += nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void ObjectText::number(std::string_view name, double value) { member(name) += nlohmann::json(value).dump(); }

void ObjectText::json(std::string_view name, std::string_view json) {
  const auto value = nlohmann::ordered_json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) return null(name);
  member(name) += value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace tine::ipc
