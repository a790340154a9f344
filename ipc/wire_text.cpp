#include "ipc/wire_text.hpp"

#include "core/base/text.hpp"

namespace tine::ipc {

void append_wire(std::string& json, std::string_view bytes) {
  if (!is_utf8(bytes)) {
    json.append(R"({"base64":")").append(base64_encode(bytes)).append("\"}");
    return;
  }
  json += '"';
  for (const char c : bytes) {
    if (c == '"' || c == '\\') {
      json.append({'\\', c});
    } else if (static_cast<unsigned char>(c) < 0x20) {
      constexpr char digits[] = "0123456789abcdef";
      json.append("\\u00").append({digits[c >> 4], digits[c & 15]});
    } else {
      json += c;
    }
  }
  json += '"';
}

}  // namespace tine::ipc
