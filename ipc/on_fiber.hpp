#pragma once
#include <asio/async_result.hpp>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include "core/coroutine/fiber.hpp"

namespace tine::ipc {

/// An Asio completion token: the calling fiber parks, others run, and the call returns its results.
///   auto [error, size] = socket.async_read_some(buffer, on_fiber);
struct OnFiber {};
inline constexpr OnFiber on_fiber;

}  // namespace tine::ipc

template <class... Args>
class asio::async_result<tine::ipc::OnFiber, void(Args...)> {
 public:
  template <class Initiation, class... Rest>
  static auto initiate(Initiation&& initiation, tine::ipc::OnFiber, Rest&&... rest) {
    std::optional<std::tuple<std::decay_t<Args>...>> results;
    tine::Fiber* const self = tine::Fiber::current();
    bool parked = false;
    std::forward<Initiation>(initiation)(
        [&results, &parked, self](Args... args) {
          results.emplace(std::move(args)...);
          if (parked) self->resume();
        },
        std::forward<Rest>(rest)...);
    if (!results) {
      parked = true;
      tine::Fiber::park();
    }
    if constexpr (sizeof...(Args) == 1)
      return std::get<0>(std::move(*results));
    else
      return std::move(*results);
  }
};
