#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <tine/pool_core.hpp>
#include <tine/wire.hpp>
#include <tuple>
#include <type_traits>
#include <utility>

/// From a C++ function and its arguments to a pool_detail::Order, and what the worker runs for it.
namespace tine::pool_detail {

/// The parameters a callable declares; for a generic one (a template, an overload set) none are known.
template <class F>
struct Signature {
  static constexpr bool known = false;
};
template <class R, class... A>
struct Signature<R (*)(A...)> {
  static constexpr bool known = true;
  static constexpr std::size_t arity = sizeof...(A);
  using Parameters = std::tuple<std::decay_t<A>...>;
};
template <class R, class... A>
struct Signature<R (*)(A...) noexcept> : Signature<R (*)(A...)> {};
template <class M>
struct OfMember;
template <class C, class R, class... A>
struct OfMember<R (C::*)(A...)> : Signature<R (*)(A...)> {};
template <class C, class R, class... A>
struct OfMember<R (C::*)(A...) const> : Signature<R (*)(A...)> {};
template <class C, class R, class... A>
struct OfMember<R (C::*)(A...) noexcept> : Signature<R (*)(A...)> {};
template <class C, class R, class... A>
struct OfMember<R (C::*)(A...) const noexcept> : Signature<R (*)(A...)> {};
template <class F>
requires requires { &F::operator(); }
struct Signature<F> : OfMember<decltype(&F::operator())> {};

template <class F>
inline constexpr bool is_function_pointer =
    std::is_pointer_v<F>&& std::is_function_v<std::remove_pointer_t<F>>;

template <class F>
constexpr void check_function() {
  static_assert(is_function_pointer<F> || (std::is_empty_v<F> && std::is_default_constructible_v<F>),
                "a pool takes a function or a lambda without captures: its workers were forked before");
}

template <class F>
std::uintptr_t address_of(F function) {
  if constexpr (is_function_pointer<F>)
    return reinterpret_cast<std::uintptr_t>(function);
  else
    return 0;  // its type says all
}
template <class F>
F function_at([[maybe_unused]] std::uintptr_t address) {
  if constexpr (is_function_pointer<F>)
    return reinterpret_cast<F>(address);
  else
    return F{};
}

/// The tuple that travels for these arguments: the declared parameters, else the arguments' own types.
template <class F, class... A>
struct Travelling {
  using type = std::tuple<std::decay_t<A>...>;
};
template <class F, class... A>
requires(Signature<F>::known) struct Travelling<F, A...> {
  static_assert(Signature<F>::arity == sizeof...(A), "wrong number of arguments for the function");
  using type = typename Signature<F>::Parameters;
};
/// The same for the arguments in a tuple or pair.
template <class F, class Tuple>
struct TravellingTuple;
template <class F, template <class...> class Tuple, class... A>
struct TravellingTuple<F, Tuple<A...>> : Travelling<F, A...> {};

/// A text may be given as a literal: what travels is the parameter, which is a string.
template <class A, class P>
inline constexpr bool is_literal_for =
    std::is_convertible_v<std::decay_t<A>, const char*>&& std::is_class_v<P> && !wire::holds_view<P>();
template <class Tuple, class... A, std::size_t... I>
constexpr void check_arguments(std::index_sequence<I...>) {
  static_assert(
      ((!wire::holds_view<std::decay_t<A>>() || is_literal_for<A, std::tuple_element_t<I, Tuple>>)&&...),
      "a pointer, string_view, span or reference_wrapper means nothing in another process: pass the "
      "value");
}

template <class F, class Tuple>
struct ResultOf;
template <class F, class... P>
struct ResultOf<F, std::tuple<P...>> {
  static_assert(std::is_invocable_v<F&, P...>,
                "the function cannot be called with these arguments (a reference that it may write to cannot "
                "reach the caller's value)");
  using type = std::decay_t<std::invoke_result_t<F&, P...>>;
};

/// Calls the function with a tuple of arguments and appends what it returns.
template <class F, class Tuple>
void run(F& function, Tuple&& arguments, std::string& result) {
  using R = typename ResultOf<F, std::decay_t<Tuple>>::type;
  if constexpr (std::is_void_v<R>)
    std::apply(function, std::move(arguments));
  else
    wire::put<R>(result, std::apply(function, std::move(arguments)));
}

template <class F, class Tuple>
void run_one(std::uintptr_t address, std::string_view arguments, std::string& result) {
  F function = function_at<F>(address);
  run(function, wire::take<Tuple>(arguments), result);
}

/// A chunk of a map: calls the function for each tuple there is.
template <class F, class Tuple>
void run_many(std::uintptr_t address, std::string_view arguments, std::string& result) {
  F function = function_at<F>(address);
  for (auto count = wire::take<std::uint64_t>(arguments); count > 0; --count)
    run(function, wire::take<Tuple>(arguments), result);
}

template <class R>
R result_from(std::string_view bytes) {
  if constexpr (!std::is_void_v<R>) return wire::take<R>(bytes);
}

}  // namespace tine::pool_detail
