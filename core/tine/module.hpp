#pragma once
#include <cxxabi.h>
#include <tine/module_abi.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

/// Functions for tined, in C++: header only, nothing to link.
///
///   #include <tine/module.hpp>
///   TINE_MODULE(m) { m.function("foo", [](int i) { std::this_thread::sleep_for(2s); return i + 100; }); }
///
/// Arguments and results go through nlohmann::json's conversions. A wrong number or type of arguments fails
/// the call with TypeError naming the argument; an exception fails it with the exception's type name and
/// what(). The body of TINE_MODULE runs once, before the workers are forked: what it loads is shared
/// copy-on-write. It must not leave threads running.
namespace tine {

using Json = nlohmann::json;

namespace module_detail {

inline std::string type_name(const std::type_info& type) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> name(
      abi::__cxa_demangle(type.name(), nullptr, nullptr, &status), std::free);
  return status == 0 ? name.get() : type.name();
}

struct ArgumentError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

template <class T>
inline constexpr bool is_json = std::is_same_v<T, Json> || std::is_same_v<T, nlohmann::ordered_json>;
template <class T>
concept MapLike = !is_json<T> && requires {
  typename T::mapped_type;
};
template <class T>
concept ListLike = !is_json<T> && !std::is_convertible_v<T, std::string> && !MapLike<T> && requires {
  typename T::value_type;
};
template <class T>
inline constexpr bool is_whole_number = std::is_integral_v<T> && !std::is_same_v<T, bool> &&
                                        !std::is_same_v<T, char> && !std::is_same_v<T, wchar_t>;

/// nlohmann's own conversions turn 1.5 into 1, true into 1 and -1 into a huge unsigned without a word.
template <class T>
bool fits(const Json& value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value.is_boolean();
  } else if constexpr (is_whole_number<T>) {
    if (value.is_number_unsigned()) return std::in_range<T>(value.get<std::uint64_t>());
    return value.is_number_integer() && std::in_range<T>(value.get<std::int64_t>());
  } else if constexpr (std::is_floating_point_v<T>) {
    return value.is_number();
  } else if constexpr (ListLike<T> || MapLike<T>) {
    for (const auto& item : value) {
      if constexpr (MapLike<T>) {
        if (value.is_object() && !fits<typename T::mapped_type>(item)) return false;
      } else if (!fits<typename T::value_type>(item)) {
        return false;
      }
    }
    return true;
  } else {
    return true;
  }
}

/// As JSON names it, where it has a name for it.
template <class T>
std::string expected() {
  if constexpr (std::is_same_v<T, bool>) return "boolean";
  if constexpr (is_whole_number<T>) return "integer";
  if constexpr (std::is_floating_point_v<T>) return "number";
  if constexpr (std::is_same_v<T, std::string>) return "string";
  return type_name(typeid(T));
}

inline std::string got(const Json& value) {
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > 40) text = text.substr(0, 40) + "...";
  return value.is_null() ? text : value.type_name() + (" " + text);
}

template <class T>
T argument(const Json& args, std::size_t index, const std::string& function) {
  const Json& value = args.at(index);
  try {
    if (fits<T>(value)) return value.get<T>();
  } catch (const Json::exception&) {
  }
  std::string wanted = expected<T>();
  if constexpr (is_whole_number<T>)
    if (value.is_number_integer())
      wanted += " from " + std::to_string(std::numeric_limits<T>::min()) + " to " +
                std::to_string(std::numeric_limits<T>::max());
  throw ArgumentError("argument " + std::to_string(index + 1) + " of " + function + ": expected " + wanted +
                      ", got " + got(value));
}

template <class F>
struct Signature : Signature<decltype(&F::operator())> {};
template <class R, class... A>
struct Signature<R (*)(A...)> {
  using Result = R;
  using Arguments = std::tuple<std::decay_t<A>...>;
};
template <class C, class R, class... A>
struct Signature<R (C::*)(A...) const> : Signature<R (*)(A...)> {};
template <class C, class R, class... A>
struct Signature<R (C::*)(A...)> : Signature<R (*)(A...)> {};

/// A registered function; lives as long as the process.
template <class F>
struct Held {
  F function;
  std::string name;
};

template <class F, std::size_t... I>
Json invoke(Held<F>& held, const Json& args, std::index_sequence<I...>) {
  using S = Signature<std::decay_t<F>>;
  if (args.size() != sizeof...(I))
    throw ArgumentError(held.name + " takes " + std::to_string(sizeof...(I)) +
                        (sizeof...(I) == 1 ? " argument, " : " arguments, ") + std::to_string(args.size()) +
                        " given");
  if constexpr (std::is_void_v<typename S::Result>) {
    held.function(argument<std::tuple_element_t<I, typename S::Arguments>>(args, I, held.name)...);
    return nullptr;
  } else {
    return Json(
        held.function(argument<std::tuple_element_t<I, typename S::Arguments>>(args, I, held.name)...));
  }
}

inline int fail(tine_reply_v1 reply, void* context, const std::string& type, const std::string& message) {
  const std::string text =
      Json{{"type", type}, {"message", message}}.dump(-1, ' ', false, Json::error_handler_t::replace);
  reply(context, text.data(), text.size());
  return 1;
}

template <class F>
int call(void* state, const char* args, std::size_t size, tine_reply_v1 reply, void* context) {
  try {
    constexpr std::size_t count = std::tuple_size_v<typename Signature<F>::Arguments>;
    const Json result = invoke(*static_cast<Held<F>*>(state), Json::parse(args, args + size),
                               std::make_index_sequence<count>());
    const std::string text = result.dump();
    reply(context, text.data(), text.size());
    return 0;
  } catch (const ArgumentError& error) {
    return fail(reply, context, "TypeError", error.what());
  } catch (const std::exception& error) {
    return fail(reply, context, type_name(typeid(error)), error.what());
  } catch (...) {
    const std::type_info* type = abi::__cxa_current_exception_type();
    return fail(reply, context, type ? type_name(*type) : "unknown", "");
  }
}

}  // namespace module_detail

/// What TINE_MODULE's body is given.
class Module {
 public:
  explicit Module(const tine_registrar_v1* registrar) : registrar_(registrar) {}

  /// Registers a function, a lambda or a function pointer. A taken name ends the start of tined.
  template <class F>
  void function(const std::string& name, F callable) {
    using Kept = std::decay_t<F>;
    auto* held = new module_detail::Held<Kept>{std::move(callable), name};
    if (registrar_->add(registrar_->context, name.c_str(), &module_detail::call<Kept>, held) != 0)
      failed_ = true;
  }
  bool failed() const { return failed_; }

 private:
  const tine_registrar_v1* registrar_;
  bool failed_ = false;
};

}  // namespace tine

#define TINE_MODULE(m)                                                       \
  using namespace std::chrono_literals;                                      \
  static void tine_module_body(::tine::Module& m);                           \
  extern "C" __attribute__((visibility("default"))) int tine_module_load_v1( \
      const tine_registrar_v1* given) {                                      \
    ::tine::Module module(given);                                            \
    tine_module_body(module);                                                \
    return module.failed() ? 1 : 0;                                          \
  }                                                                          \
  static void tine_module_body(::tine::Module& m)
