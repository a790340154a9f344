#include "ipc/codec.hpp"

#include <cmath>

#include "core/base/clock.hpp"
#include "core/base/json_depth.hpp"
#include "core/base/limits.hpp"
#include "core/base/quantity.hpp"
#include "core/base/text.hpp"
#include "ipc/protocol.hpp"
#include "ipc/quick_json.hpp"

namespace tine::ipc {
namespace {

std::string dump(const OrderedJson& value) {
  return value.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

std::variant<Json, RequestError> read_message(std::string_view line) {
  if (auto message = read_quickly(line)) return std::move(*message);
  if (const auto offset = json_too_deep_at(line))
    return RequestError{nullptr, parse_error,
                        "nested too deep at offset " + std::to_string(*offset) + "; allowed: depth " +
                            std::to_string(limits::json_depth_max)};
  try {
    return Json::parse(line);
  } catch (const Json::parse_error& error) {
    return RequestError{
        nullptr, parse_error,
        "not JSON (strict UTF-8) at offset " + std::to_string(error.byte ? error.byte - 1 : 0)};
  } catch (const Json::exception&) {
    return RequestError{nullptr, parse_error, "not JSON: a number is too large"};
  }
}

}  // namespace

std::variant<Request, RequestError> parse_request(std::string_view line) {
  auto read = read_message(line);
  if (auto* error = std::get_if<RequestError>(&read)) return std::move(*error);
  Json& message = std::get<Json>(read);
  Json id;
  if (message.is_object() && message.contains("id")) id = message["id"];
  const auto invalid = [&](const std::string& text) { return RequestError{id, invalid_request, text}; };
  if (!message.is_object()) return invalid("a request is one JSON object a line");
  if (!id.is_null() && !id.is_string() && !id.is_number()) {
    id = nullptr;
    return invalid("id: must be a string, a number or null");
  }
  if (message.value("jsonrpc", Json()) != "2.0") return invalid("jsonrpc: must be \"2.0\"");
  if (!message.contains("method") || !message["method"].is_string())
    return invalid("method: must be a string");
  Json params = message.contains("params") ? std::move(message["params"]) : Json::object();
  if (!params.is_object()) return invalid("params: must be an object");
  std::string method = message["method"];
  if (line.size() > limits::line_bytes_max && method != "batch")
    return invalid("a line of " + std::to_string(line.size()) +
                   " bytes; allowed: " + std::to_string(limits::line_bytes_max) + " (" +
                   std::to_string(limits::batch_line_bytes_max) + " for batch)");
  return Request{std::move(id), std::move(method), std::move(params)};
}

std::string reply(const Json& id, const OrderedJson& result) { return reply_of_text(id, dump(result)); }

std::string reply_of_text(const Json& id, std::string_view result) {
  std::string line = "{\"jsonrpc\":\"2.0\",\"id\":" + id.dump() + ",\"result\":";
  return line.append(result).append("}");
}

std::string error_reply(const Json& id, int code, const std::string& message, std::optional<int> exit_code) {
  OrderedJson error = {{"code", code}, {"message", message}};
  if (exit_code) error["data"] = {{"exit_code", *exit_code}};
  return "{\"jsonrpc\":\"2.0\",\"id\":" + id.dump() + ",\"error\":" + dump(error) + "}";
}

std::string error_reply(const Json& id, const Error& error, const std::string& type) {
  const int code = exit_code_of(error);
  if (type.empty()) return error_reply(id, error_code_base - code, error.message(), code);
  const OrderedJson body = {{"code", error_code_base - code},
                            {"message", type + ": " + error.message()},
                            {"data", {{"exit_code", code}, {"type", type}, {"message", error.message()}}}};
  return "{\"jsonrpc\":\"2.0\",\"id\":" + id.dump() + ",\"error\":" + dump(body) + "}";
}

std::string notification(std::string_view method, const OrderedJson& params) {
  return notification_of_text(method, dump(params));
}

std::string notification_of_text(std::string_view method, std::string_view params) {
  std::string line = "{\"jsonrpc\":\"2.0\",\"method\":\"";
  line.reserve(line.size() + method.size() + params.size() + 16);
  return line.append(method).append("\",\"params\":").append(params).append("}");
}

Result<std::string> bytes_from_json(const Json& value, const std::string& field) {
  std::string bytes;
  if (value.is_string()) {
    bytes = value.get<std::string>();
  } else if (value.is_object() && value.size() == 1 && value.contains("base64") &&
             value["base64"].is_string()) {
    auto decoded = base64_decode(value["base64"].get_ref<const std::string&>());
    if (!decoded) return usage_error(field + ": " + decoded.error().message());
    bytes = std::move(*decoded);
  } else {
    return usage_error(field + ": must be a string or {\"base64\":\"...\"}");
  }
  if (const auto offset = bytes.find('\0'); offset != std::string::npos)
    return usage_error(field + ": a NUL byte at offset " + std::to_string(offset) +
                       "; allowed: text without NUL");
  return bytes;
}

Result<std::string> string_field(const Json& object, const char* key, const std::string& fallback) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return fallback;
  return bytes_from_json(*found, key);
}

Result<std::uint64_t> unsigned_field(const Json& object, const char* key, std::uint64_t fallback,
                                     std::uint64_t greatest) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return fallback;
  if (!found->is_number_unsigned() || found->get<std::uint64_t>() > greatest)
    return usage_error(std::string(key) + ": must be a whole number from 0 to " + std::to_string(greatest));
  return found->get<std::uint64_t>();
}

Result<bool> bool_field(const Json& object, const char* key, bool fallback) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return fallback;
  if (!found->is_boolean()) return usage_error(std::string(key) + ": must be true or false");
  return found->get<bool>();
}

Result<double> duration_field(const Json& object, const char* key, double fallback) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return fallback;
  if (found->is_number()) {
    const double seconds = found->get<double>();
    if (seconds >= 0 && seconds <= static_cast<double>(limits::duration_s_max)) return seconds;
    return usage_error(std::string(key) + ": must be 0 or more seconds, up to " +
                       std::to_string(limits::duration_s_max));
  }
  if (!found->is_string())
    return usage_error(std::string(key) + ": must be a duration: 500ms 30s 5m 2h 1d or seconds");
  auto parsed = parse_duration_s(found->get_ref<const std::string&>());
  if (!parsed) return usage_error(std::string(key) + ": " + parsed.error().message());
  return *parsed;
}

Result<std::uint64_t> size_field(const Json& object, const char* key, std::uint64_t fallback) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return fallback;
  if (found->is_number_unsigned()) return found->get<std::uint64_t>();
  if (!found->is_string()) return usage_error(std::string(key) + ": must be a size: 64K 10M 2G or bytes");
  auto parsed = parse_size_bytes(found->get_ref<const std::string&>());
  if (!parsed) return usage_error(std::string(key) + ": " + parsed.error().message());
  return *parsed;
}

Result<Selection> selection_from(const Json& params) {
  Selection selection;
  auto last = bool_field(params, "last", false);
  if (!last) return last.error();
  selection.last = *last;
  const auto ids = params.find("ids");
  if (ids == params.end()) return selection;
  const auto bad = [] { return usage_error("ids: must be an array of ids or [from,to] pairs, from <= to"); };
  if (!ids->is_array()) return bad();
  for (const auto& item : *ids) {
    if (item.is_number_unsigned()) {
      selection.ranges.emplace_back(item.get<JobId>(), item.get<JobId>());
      continue;
    }
    if (!item.is_array() || item.size() != 2 || !item[0].is_number_unsigned() ||
        !item[1].is_number_unsigned() || item[0].get<JobId>() > item[1].get<JobId>())
      return bad();
    selection.ranges.emplace_back(item[0].get<JobId>(), item[1].get<JobId>());
  }
  return selection;
}

}  // namespace tine::ipc
