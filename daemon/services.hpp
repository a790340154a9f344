#pragma once
#include <asio/io_context.hpp>
#include <functional>
#include <string>

#include "core/coroutine/fiber.hpp"
#include "daemon/config.hpp"
#include "daemon/jobs.hpp"
#include "daemon/store.hpp"
#include "daemon/waiters.hpp"
#include "daemon/workforce.hpp"

namespace tine {

enum class StopMode { drain, now, leave_jobs };

/// What a verb may use: the daemon's parts, by reference.
struct Services {
  asio::io_context& loop;
  const Config& config;
  Store& store;
  Jobs& jobs;
  Workforce& workforce;
  Waiters& waiters;
  std::string state_dir;
  std::string socket_path;
  std::string version;
  Micros started;
  Result<std::string> memory_groups;  ///< claim_memory_groups()
  bool is_supervised = false;         ///< a service manager started it, and will again
  bool is_ending = false;             ///< connections are closed by this side: no caller has gone
  /// Begins the end; `done` when the daemon is about to go.
  std::function<void(StopMode, std::optional<double> timeout_s, std::function<void()> done)> stop;
  /// Rung at each job's end, for who waits for a pool to be empty.
  std::function<void(Bell*)> add_end_bell, remove_end_bell;
};

/// Parks the calling fiber until `begin`'s completion is called; gives what it was called with.
template <class T>
T park_for(const std::function<void(std::function<void(T)>)>& begin) {
  std::optional<T> result;
  Fiber* const self = Fiber::current();
  bool parked = false;
  begin([&](T value) {
    result.emplace(std::move(value));
    if (parked) self->resume();
  });
  if (!result) {
    parked = true;
    Fiber::park();
  }
  return std::move(*result);
}

/// Parks until `look` has read in the store.
inline Status ask_store(Store& store, Store::Work look) {
  return park_for<Status>(
      [&](std::function<void(Status)> done) { store.read(std::move(look), std::move(done)); });
}

}  // namespace tine
