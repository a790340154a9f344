#pragma once
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

/// How arguments and results travel between processes: trivially copyable ones byte by byte, strings with
/// their length, vectors, pairs, tuples and optionals of these item by item, and everything else as JSON, by
/// nlohmann's conversions (in its binary form CBOR, which keeps every byte of a string, NaN and infinity).
/// What points into the memory of one process does not compile.
namespace tine {
using Json = nlohmann::json;
}

namespace tine::wire {

/// What a template holds, as a tuple.
template <class T, class = void>
struct Parts {
  using type = std::tuple<>;
};
template <class... T>
struct Parts<std::tuple<T...>> {
  using type = std::tuple<T...>;
};
template <class A, class B>
struct Parts<std::pair<A, B>> {
  using type = std::tuple<A, B>;
};
template <class T>
struct Parts<std::optional<T>> {
  using type = std::tuple<T>;
};
template <class T, std::size_t N>
struct Parts<std::array<T, N>> {
  using type = std::tuple<T>;
};
template <class T, std::size_t N>
struct Parts<T[N]> {
  using type = std::tuple<T>;
};
/// Containers: what they hold, but for those that hold themselves (JSON, paths).
template <class T>
requires(!std::is_same_v<typename T::value_type,
                         T>) struct Parts<T, std::void_t<typename T::value_type, typename T::iterator>> {
  using type = std::tuple<typename T::value_type>;
};

template <class T>
struct IsView : std::bool_constant<std::is_pointer_v<T> || std::is_null_pointer_v<T>> {};
template <class C, class Traits>
struct IsView<std::basic_string_view<C, Traits>> : std::true_type {};
template <class T, std::size_t N>
struct IsView<std::span<T, N>> : std::true_type {};
template <class T>
struct IsView<std::reference_wrapper<T>> : std::true_type {};

template <class T>
constexpr bool holds_view();

/// Converts to anything but `Whole`; the second one only to what holds a view.
template <class Whole>
struct Anything {
  template <class T>
  requires(!std::is_same_v<T, Whole>) constexpr operator T() const noexcept;
};
template <class Whole>
struct AnyView {
  template <class T>
  requires(!std::is_same_v<T, Whole> && holds_view<T>()) constexpr operator T() const noexcept;
};

template <class T, std::size_t... I>
constexpr bool takes(std::index_sequence<I...>) {
  return requires { T{(static_cast<void>(I), Anything<T>{})...}; };
}
/// How many initializers an aggregate takes, up to `limit`; those of its arrays counted one by one.
template <class T, std::size_t N = 0, std::size_t limit = 32>
constexpr std::size_t field_count() {
  if constexpr (N == limit)
    return N;
  else if constexpr (takes<T>(std::make_index_sequence<N + 1>{}))
    return field_count<T, N + 1, limit>();
  else
    return N;
}
template <class T, std::size_t At, std::size_t... I>
constexpr bool field_takes_view(std::index_sequence<I...>) {
  return requires { T{std::conditional_t<I == At, AnyView<T>, Anything<T>>{}...}; };
}
template <class T, std::size_t... I>
constexpr bool fields_hold_view([[maybe_unused]] std::index_sequence<I...> all) {
  return (field_takes_view<T, I>(all) || ...);
}

template <class... T>
constexpr bool any_holds_view(std::type_identity<std::tuple<T...>>) {
  return (holds_view<T>() || ...);
}

/// Whether a pointer, string_view, span or reference_wrapper is in there, as far as it can be seen: in pairs,
/// tuples, arrays, containers, and the fields of aggregates; not behind a constructor.
template <class T>
constexpr bool holds_view() {
  using U = std::remove_cv_t<T>;
  if constexpr (IsView<U>::value)
    return true;
  else if constexpr (std::tuple_size_v<typename Parts<U>::type> > 0)
    return any_holds_view(std::type_identity<typename Parts<U>::type>{});
  else if constexpr (std::is_class_v<U> && std::is_aggregate_v<U> && std::is_trivially_copyable_v<U>)
    return fields_hold_view<U>(std::make_index_sequence<field_count<U>()>{});
  else
    return false;
}

template <class T>
inline constexpr bool is_plain = std::is_trivially_copyable_v<T> && !std::is_empty_v<T>;
template <class T>
concept AsJson = requires(const T& value, const nlohmann::json& json) {
  nlohmann::json(value);
  json.get<T>();
};

template <class T>
constexpr void check() {
  static_assert(!std::is_reference_v<T> && !std::is_const_v<T>);
  static_assert(
      !holds_view<T>(),
      "a pointer, string_view, span or reference_wrapper means nothing in another process: pass the "
      "value");
}

template <class T>
void put(std::string& out, const T& value);
template <class T>
T take(std::string_view& in);

/// The only way to read: a short input is an error, never a read beyond its end.
inline const char* take_bytes(std::string_view& in, std::size_t bytes) {
  if (in.size() < bytes) throw std::length_error("a value from another process is cut short");
  const char* at = in.data();
  in.remove_prefix(bytes);
  return at;
}

template <class T>
struct Codec {
  static void put(std::string& out, const T& value) {
    if constexpr (is_plain<T>) {
      out.append(reinterpret_cast<const char*>(&value), sizeof value);
    } else if constexpr (std::is_empty_v<T> && std::is_trivially_copyable_v<T>) {
      // nothing to say
    } else {
      static_assert(AsJson<T>, "this type is neither trivially copyable nor convertible to and from JSON");
      wire::put(out, [&] {
        std::string bytes;
        nlohmann::json::to_cbor(nlohmann::json(value), bytes);
        return bytes;
      }());
    }
  }
  static T take(std::string_view& in) {
    if constexpr (is_plain<T>) {
      std::array<std::byte, sizeof(T)> bytes;
      std::memcpy(bytes.data(), take_bytes(in, sizeof(T)), sizeof(T));
      return std::bit_cast<T>(bytes);  // no default constructor is needed
    } else if constexpr (std::is_empty_v<T> && std::is_trivially_copyable_v<T>) {
      return std::bit_cast<T>(std::byte{});
    } else {
      const auto size = wire::take<std::uint64_t>(in);
      const char* at = take_bytes(in, size);
      return nlohmann::json::from_cbor(at, at + size).template get<T>();
    }
  }
};

template <class Traits, class Allocator>
struct Codec<std::basic_string<char, Traits, Allocator>> {
  using String = std::basic_string<char, Traits, Allocator>;
  static void put(std::string& out, const String& text) {
    wire::put<std::uint64_t>(out, text.size());
    out.append(text.data(), text.size());
  }
  static String take(std::string_view& in) {
    const auto size = wire::take<std::uint64_t>(in);
    return String(take_bytes(in, size), size);
  }
};

template <class T, class Allocator>
struct Codec<std::vector<T, Allocator>> {
  static constexpr bool in_one_piece = is_plain<T> && !std::is_same_v<T, bool>;
  static void put(std::string& out, const std::vector<T, Allocator>& list) {
    wire::put<std::uint64_t>(out, list.size());
    if constexpr (in_one_piece)
      out.append(reinterpret_cast<const char*>(list.data()), list.size() * sizeof(T));
    else
      for (const auto& item : list) wire::put<T>(out, item);
  }
  static std::vector<T, Allocator> take(std::string_view& in) {
    const auto size = wire::take<std::uint64_t>(in);
    std::vector<T, Allocator> list;
    if (in.size() >= size) list.reserve(size);  // an item takes a byte or more; a wrong size is found below
    for (std::uint64_t i = 0; i < size; ++i) list.push_back(wire::take<T>(in));
    return list;
  }
};

template <class T>
requires(!is_plain<std::optional<T>>) struct Codec<std::optional<T>> {
  static void put(std::string& out, const std::optional<T>& value) {
    wire::put(out, value.has_value());
    if (value) wire::put<T>(out, *value);
  }
  static std::optional<T> take(std::string_view& in) {
    if (!wire::take<bool>(in)) return std::nullopt;
    return wire::take<T>(in);
  }
};

template <class... T>
struct Codec<std::tuple<T...>> {
  static void put(std::string& out, const std::tuple<T...>& values) {
    std::apply([&](const T&... value) { (wire::put<T>(out, value), ...); }, values);
  }
  static std::tuple<T...> take(std::string_view& in) {
    return std::tuple<T...>{wire::take<T>(in)...};  // in braces the order is from left to right
  }
};

template <class A, class B>
struct Codec<std::pair<A, B>> {
  static void put(std::string& out, const std::pair<A, B>& values) {
    wire::put<A>(out, values.first);
    wire::put<B>(out, values.second);
  }
  static std::pair<A, B> take(std::string_view& in) {
    return std::pair<A, B>{wire::take<A>(in), wire::take<B>(in)};
  }
};

template <class T>
void put(std::string& out, const T& value) {
  check<T>();
  Codec<T>::put(out, value);
}
template <class T>
T take(std::string_view& in) {
  check<T>();
  return Codec<T>::take(in);
}

}  // namespace tine::wire
