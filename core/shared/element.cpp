#include "core/shared/element.hpp"

#include <atomic>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "core/base/text.hpp"

namespace tine::shared {
namespace {

/// Calls `body` with a value of the code's C type.
template <class Body>
auto with_type(char code, Body body) {
  switch (code) {
    case 'c':
    case 'B':
      return body(static_cast<unsigned char>(0));
    case 'u':
      return body(static_cast<std::uint32_t>(0));
    case 'b':
      return body(static_cast<signed char>(0));
    case 'h':
      return body(static_cast<short>(0));
    case 'H':
      return body(static_cast<unsigned short>(0));
    case 'i':
      return body(static_cast<int>(0));
    case 'I':
      return body(static_cast<unsigned>(0));
    case 'l':
      return body(static_cast<long>(0));
    case 'L':
      return body(static_cast<unsigned long>(0));
    case 'f':
      return body(static_cast<float>(0));
    default:
      return body(static_cast<double>(0));
  }
}

template <class T>
using Wide = std::conditional_t<std::is_floating_point_v<T>, double,
                                std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>>;

template <class T>
std::string text_of(T value) {
  char text[64];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  return std::string(text, end);
}

std::string range_of(char code) {
  if (code == 'c') return "one byte";
  if (code == 'u') return "one character";
  return with_type(code, [&](auto zero) {
    using T = decltype(zero);
    using Limits = std::numeric_limits<T>;
    if constexpr (std::is_floating_point_v<T>)
      return "a number from " + text_of(Limits::lowest()) + " to " + text_of(Limits::max());
    else
      return "a whole number from " + text_of(static_cast<Wide<T>>(Limits::min())) + " to " +
             text_of(static_cast<Wide<T>>(Limits::max()));
  });
}

Error out_of_range(char code, const std::string& value) {
  return make_error(Errc::usage, value + " does not fit type " + code + "; allowed: " + range_of(code));
}

std::string utf8_of(std::uint64_t point) {
  std::string text;
  const auto put = [&](std::uint64_t byte) { text += static_cast<char>(byte); };
  if (point < 0x80) return put(point), text;
  if (point < 0x800) {
    put(0xc0 | point >> 6);
  } else {
    if (point < 0x10000) {
      put(0xe0 | point >> 12);
    } else {
      put(0xf0 | point >> 18);
      put(0x80 | (point >> 12 & 63));
    }
    put(0x80 | (point >> 6 & 63));
  }
  put(0x80 | (point & 63));
  return text;
}

/// As from_chars, which would bring locales into a static program. tine never sets one.
template <class T>
bool parse_real(std::string_view text, T& value) {
  const std::string copy(text);
  const bool is_named = copy == "inf" || copy == "-inf" || copy == "nan";
  if (copy.empty() || (!is_named && copy.find_first_not_of("0123456789+-.eE") != std::string::npos))
    return false;
  char* rest = nullptr;
  if constexpr (sizeof(T) == sizeof(float))
    value = std::strtof(copy.c_str(), &rest);
  else
    value = std::strtod(copy.c_str(), &rest);
  return rest == copy.c_str() + copy.size() && (is_named || std::isfinite(value));
}

Result<Element> parse_character(std::string_view text) {
  const auto wrong = out_of_range('u', "'" + std::string(text) + "'");
  if (text.empty() || !is_utf8(text)) return wrong;
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (text.size() != size) return wrong;
  std::uint64_t point = size == 1 ? lead : lead & (0xff >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) point = point << 6 | (static_cast<unsigned char>(text[i]) & 63);
  return Element(point);
}

}  // namespace

std::size_t element_bytes(char code) {
  if (std::string_view("cubBhHiIlLfd").find(code) == std::string_view::npos || code == '\0') return 0;
  return with_type(code, [](auto zero) { return sizeof zero; });
}

Result<Element> parse_element(char code, std::string_view text) {
  if (code == 'c') {
    if (text.size() != 1) return out_of_range(code, "'" + std::string(text) + "'");
    return Element(static_cast<std::uint64_t>(static_cast<unsigned char>(text[0])));
  }
  if (code == 'u') return parse_character(text);
  return with_type(code, [&](auto zero) -> Result<Element> {
    using T = decltype(zero);
    T value{};
    // from_chars takes no plus sign, where a person may write one.
    const auto number = text.size() > 1 && text[0] == '+' && text[1] != '-' ? text.substr(1) : text;
    bool fits = false;
    if constexpr (std::is_floating_point_v<T>) {
      fits = parse_real(number, value);
    } else {
      const auto [rest, error] = std::from_chars(number.data(), number.data() + number.size(), value);
      fits = error == std::errc() && !number.empty() && rest == number.data() + number.size();
    }
    if (!fits) return out_of_range(code, "'" + std::string(text) + "'");
    return Element(static_cast<Wide<T>>(value));
  });
}

Status check_element(char code, const Element& element) {
  return with_type(code, [&](auto zero) -> Status {
    using T = decltype(zero);
    if constexpr (std::is_floating_point_v<T>) {
      const double value = std::get<double>(element);
      if (std::isfinite(value) && std::abs(value) > static_cast<double>(std::numeric_limits<T>::max()))
        return out_of_range(code, text_of(value));
    } else {
      const auto value = std::get<Wide<T>>(element);
      if (value < static_cast<Wide<T>>(std::numeric_limits<T>::min()) ||
          value > static_cast<Wide<T>>(std::numeric_limits<T>::max()) ||
          (code == 'u' && value > Wide<T>{0x10ffff}))
        return out_of_range(code, text_of(value));
    }
    return ok();
  });
}

std::string format_element(char code, const Element& element) {
  if (code == 'c') return std::string(1, static_cast<char>(std::get<std::uint64_t>(element)));
  if (code == 'u') return utf8_of(std::get<std::uint64_t>(element));
  if (code == 'f') return text_of(static_cast<float>(std::get<double>(element)));
  return std::visit([](auto value) { return text_of(value); }, element);
}

Result<Element> add_elements(char code, const Element& a, const Element& b) {
  if (code == 'c' || code == 'u')
    return make_error(Errc::usage,
                      std::string("type ") + code + " holds characters; allowed: add for numbers");
  return with_type(code, [&](auto zero) -> Result<Element> {
    using T = decltype(zero);
    Wide<T> sum{};
    if constexpr (std::is_floating_point_v<T>) {
      sum = std::get<double>(a) + std::get<double>(b);
      if constexpr (sizeof(T) == 4) {
        if (std::abs(sum) <= static_cast<double>(std::numeric_limits<float>::max()))
          sum = static_cast<double>(static_cast<float>(sum));
      }
    } else if (__builtin_add_overflow(std::get<Wide<T>>(a), std::get<Wide<T>>(b), &sum)) {
      return out_of_range(code, text_of(std::get<Wide<T>>(a)) + " + " + text_of(std::get<Wide<T>>(b)));
    }
    if (auto fits = check_element(code, Element(sum)); !fits) return fits.error();
    return Element(sum);
  });
}

Element load_element(char code, const void* place) {
  return with_type(code, [&](auto zero) {
    using T = decltype(zero);
    auto& value = *static_cast<T*>(const_cast<void*>(place));
    return Element(static_cast<Wide<T>>(std::atomic_ref<T>(value).load(std::memory_order_acquire)));
  });
}

void store_element(char code, void* place, const Element& element) {
  with_type(code, [&](auto zero) {
    using T = decltype(zero);
    std::atomic_ref<T>(*static_cast<T*>(place))
        .store(static_cast<T>(std::get<Wide<T>>(element)), std::memory_order_release);
    return 0;
  });
}

}  // namespace tine::shared
