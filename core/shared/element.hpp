#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "core/base/result.hpp"

/// The twelve types of an array's elements, by Python's codes, with C's sizes:
///   c char 1 (one byte) · u wchar_t 4 (one character) · b B 1 · h H 2 · i I 4 · l L 8 (lower case signed) ·
///   f float 4 · d double 8
namespace tine::shared {

/// Signed codes: int64; unsigned ones, c and u: uint64; f and d: double (of f exactly a float's value).
using Element = std::variant<std::int64_t, std::uint64_t, double>;

std::size_t element_bytes(char code);  ///< 0: no such code
/// Errors: Errc::usage, naming the text and the range.
Result<Element> parse_element(char code, std::string_view text);
/// Errors: Errc::usage, naming the value and the range, when it does not fit.
Status check_element(char code, const Element& element);
/// c and u: the character; f and d: the shortest text that reads back.
std::string format_element(char code, const Element& element);
/// The sum. Errors: Errc::usage when it is out of range, or for c and u, which are no numbers.
Result<Element> add_elements(char code, const Element& a, const Element& b);

Element load_element(char code, const void* place);
void store_element(char code, void* place, const Element& element);  ///< one store

}  // namespace tine::shared
