#include "ipc/member_text.hpp"

#include <algorithm>

namespace tine::ipc {
namespace {

/// Behind the string that begins at `at`.
std::size_t string_end(std::string_view json, std::size_t at) {
  for (++at;; ++at) {
    at = json.find('"', at);
    if (at == std::string_view::npos) return json.size();
    std::size_t slashes = 0;
    while (json[at - 1 - slashes] == '\\') ++slashes;
    if (slashes % 2 == 0) return at + 1;
  }
}

/// Behind the value that begins at `at`: where what is around it goes on, or ends.
std::size_t value_end(std::string_view json, std::size_t at) {
  for (int depth = 0; at < json.size(); ++at) {
    const char c = json[at];
    if (c == '"') at = string_end(json, at) - 1;
    if (c == '{' || c == '[') ++depth;
    if (depth == 0 && (c == ',' || c == '}' || c == ']')) return at;
    if (c == '}' || c == ']') --depth;
  }
  return json.size();
}

}  // namespace

std::string_view member_text(std::string_view object, std::string_view name) {
  for (std::size_t at = 1; at < object.size() && object[at] == '"';) {
    const std::size_t colon = string_end(object, at);
    const std::size_t begin = std::min(colon + 1, object.size());
    const std::size_t end = value_end(object, begin);
    if (object.substr(at + 1, colon - at - 2) == name) return object.substr(begin, end - begin);
    at = end + 1;
  }
  return "";
}

}  // namespace tine::ipc
