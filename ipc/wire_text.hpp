#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace tine::ipc {

/// Appends a string to JSON text as the wire has it, {"base64":"…"} where it is not UTF-8: without a tree in
/// between, for what is long and simple.
void append_wire(std::string& json, std::string_view bytes);

/// One JSON object at the end of a text, its members written one after the other: for what is told of each
/// job, where a tree in between costs more than all else.
class ObjectText {
 public:
  explicit ObjectText(std::string& json) : json_(json) { json_ += '{'; }
  void end() { json_ += '}'; }

  void wire(std::string_view name, std::string_view bytes) { append_wire(member(name), bytes); }
  /// An array of them.
  void wires(std::string_view name, std::span<const std::string_view> all);
  /// What is not UTF-8 in it is replaced.
  void text(std::string_view name, std::string_view text);
  void integer(std::string_view name, std::int64_t value) { member(name) += std::to_string(value); }
  void number(std::string_view name, double value);  ///< null for one that JSON has not
  void flag(std::string_view name) { member(name) += "true"; }
  void null(std::string_view name) { member(name) += "null"; }
  /// Any JSON text; on one line, or null where it is none.
  void json(std::string_view name, std::string_view json);
  /// The text, its name and colon written: the value is the caller's to append.
  std::string& member(std::string_view name);

 private:
  std::string& json_;
};

}  // namespace tine::ipc
