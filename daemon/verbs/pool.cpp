#include <algorithm>

#include "core/base/limits.hpp"
#include "daemon/dispatch.hpp"

namespace tine::verbs {
namespace {

using Done = std::function<void(Status)>;

Result<Pool*> named_pool(Call& call) {
  auto name = ipc::string_field(call.params, "name", "");
  if (!name) return name.error();
  if (Pool* pool = call.services.jobs.pool(*name)) return pool;
  std::string names;
  for (const auto& [known, pool] : call.services.jobs.pools()) names += " " + known;
  return make_error(Errc::usage, "pool: there is no pool \"" + *name + "\"; allowed:" + names);
}

/// Of kind coroutine: how many calls at once; 0: of kind process.
Result<std::uint32_t> concurrency_of(Call& call) {
  auto kind = ipc::string_field(call.params, "kind", "process");
  if (!kind) return kind.error();
  if (*kind != "process" && *kind != "coroutine")
    return make_error(Errc::usage, "kind: must be \"process\" or \"coroutine\"");
  if (*kind == "process") {
    if (call.params.contains("concurrency"))
      return make_error(Errc::usage, "concurrency: goes with kind \"coroutine\" only");
    return 0u;
  }
  auto concurrency =
      ipc::unsigned_field(call.params, "concurrency", default_concurrency, limits::concurrency_max);
  if (!concurrency) return concurrency.error();
  if (*concurrency == 0)
    return make_error(Errc::usage,
                      "concurrency: must be from 1 to " + std::to_string(limits::concurrency_max));
  return static_cast<std::uint32_t>(*concurrency);
}

Result<std::uint32_t> size_of(Call& call, std::uint64_t fallback = 0) {
  auto size = ipc::unsigned_field(call.params, "size", fallback, limits::pool_size_max);
  if (!size) return size.error();
  if (*size == 0)
    return make_error(Errc::usage, "size: must be from 1 to " + std::to_string(limits::pool_size_max));
  return static_cast<std::uint32_t>(*size);
}

bool is_pool_name(const std::string& name) {
  return !name.empty() && name.size() <= limits::name_bytes_max &&
         std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '-' || c == '.'; });
}

Answer after(const std::function<void(Done)>& begin) {
  const Status status = park_for<Status>(begin);
  if (!status) return status.error();
  return ipc::OrderedJson::object();
}

Answer set_paused(Call& call, bool paused) {
  auto pool = named_pool(call);
  if (!pool) return pool.error();
  return after([&](Done done) { call.services.jobs.set_paused(**pool, paused, std::move(done)); });
}

Answer set_open(Call& call, bool open) {
  auto pool = named_pool(call);
  if (!pool) return pool.error();
  return after([&](Done done) { call.services.jobs.set_open(**pool, open, std::move(done)); });
}

void wait_until_empty(Call& call, Pool& pool) {
  Bell bell(call.services.loop);
  call.services.add_end_bell(&bell);
  const auto here = std::make_shared<Bell*>(&bell);
  call.channel.on_close([gone = std::weak_ptr(here)] {
    if (const auto alive = gone.lock()) (*alive)->ring();
  });
  while (pool.unfinished() > 0 && call.channel.is_open()) bell.wait();
  call.services.remove_end_bell(&bell);
}

}  // namespace

Answer pool_list(Call& call) {
  auto status = verbs::status(call);
  if (!status) return status.error();
  return ipc::OrderedJson{{"pools", (*status)["pools"]}};
}

Answer pool_add(Call& call) {
  auto name = ipc::string_field(call.params, "name", "");
  if (!name) return name.error();
  if (!is_pool_name(*name))
    return make_error(Errc::usage, "name: a pool's name has letters, digits, _ - and .");
  if (call.services.jobs.pool(*name))
    return make_error(Errc::usage, "name: there is a pool \"" + *name + "\" already");
  auto concurrency = concurrency_of(call);
  if (!concurrency) return concurrency.error();
  auto size = size_of(call, *concurrency > 0 ? 1 : 0);
  if (!size) return size.error();
  return after([&](Done done) { call.services.jobs.add_pool(*name, *size, *concurrency, std::move(done)); });
}

Answer pool_resize(Call& call) {
  auto pool = named_pool(call);
  if (!pool) return pool.error();
  auto size = size_of(call);
  if (!size) return size.error();
  return after([&](Done done) { call.services.jobs.resize_pool(**pool, *size, std::move(done)); });
}

Answer pool_close(Call& call) { return set_open(call, false); }
Answer pool_open(Call& call) { return set_open(call, true); }

Answer pool_pause(Call& call) { return set_paused(call, true); }
Answer pool_resume(Call& call) { return set_paused(call, false); }

Answer pool_remove(Call& call) {
  auto pool = named_pool(call);
  if (!pool) return pool.error();
  return after([&](Done done) { call.services.jobs.remove_pool(**pool, std::move(done)); });
}

Answer pool_join(Call& call) {
  auto pool = named_pool(call);
  if (!pool) return pool.error();
  if ((*pool)->is_open)
    return make_error(Errc::usage, "pool " + (*pool)->name + " is open; join is allowed after close");
  wait_until_empty(call, **pool);
  return ipc::OrderedJson::object();
}

Answer pool_terminate(Call& call) {
  auto pool = named_pool(call);
  if (!pool) return pool.error();
  for (const JobId id : call.services.jobs.jobs_of(**pool)) call.services.jobs.cancel(id, {}, [](Status) {});
  wait_until_empty(call, **pool);
  return ipc::OrderedJson::object();
}

}  // namespace tine::verbs
