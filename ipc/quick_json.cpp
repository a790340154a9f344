#include "ipc/quick_json.hpp"

#include <simdjson.h>

#include "core/base/limits.hpp"

namespace tine::ipc {
namespace {

namespace dom = simdjson::dom;

/// A parser takes twenty times what it reads: what is longer has one of its own, and what is very long is
/// read in less memory by the strict one.
constexpr std::size_t kept_bytes_max = 64u << 10;
constexpr std::size_t quick_bytes_max = 1u << 20;

/// false: nested too deep.
bool copy(const dom::element& from, Json& to, int depth) {
  switch (from.type()) {
    case dom::element_type::ARRAY: {
      if (depth == limits::json_depth_max) return false;
      const dom::array items = from.get_array().value_unsafe();
      auto& array = (to = Json::array()).get_ref<Json::array_t&>();
      array.reserve(items.size());
      for (const auto item : items)
        if (!copy(item, array.emplace_back(), depth + 1)) return false;
      return true;
    }
    case dom::element_type::OBJECT: {
      if (depth == limits::json_depth_max) return false;
      auto& object = (to = Json::object()).get_ref<Json::object_t&>();
      const dom::object members = from.get_object().value_unsafe();
      for (const auto [key, value] : members)
        if (!copy(value, object[std::string(key)], depth + 1)) return false;
      return true;
    }
    case dom::element_type::STRING:
      to = std::string(from.get_string().value_unsafe());
      return true;
    case dom::element_type::INT64: {
      // Who asks for a whole number without a sign asks Json for its type.
      const std::int64_t value = from.get_int64().value_unsafe();
      to = value < 0 ? Json(value) : Json(static_cast<std::uint64_t>(value));
      return true;
    }
    case dom::element_type::UINT64:
      to = from.get_uint64().value_unsafe();
      return true;
    case dom::element_type::DOUBLE:
      to = from.get_double().value_unsafe();
      return true;
    case dom::element_type::BOOL:
      to = from.get_bool().value_unsafe();
      return true;
    case dom::element_type::NULL_VALUE:
      to = nullptr;
      return true;
  }
  return false;
}

}  // namespace

std::optional<Json> read_quickly(std::string_view text) {
  if (text.size() > quick_bytes_max) return std::nullopt;
  static thread_local dom::parser kept(kept_bytes_max);
  dom::parser once;
  dom::parser& parser = text.size() > kept_bytes_max ? once : kept;
  const auto document = parser.parse(text.data(), text.size());
  Json value;
  if (document.error() || !copy(document.value_unsafe(), value, 0)) return std::nullopt;
  return value;
}

}  // namespace tine::ipc
