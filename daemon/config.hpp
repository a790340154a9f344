#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/pool/worker_protocol.hpp"
#include "daemon/store.hpp"

namespace tine {

inline constexpr std::uint32_t default_concurrency = 10000;

struct PoolConfig {
  std::string name;
  std::uint32_t size = 0;         ///< 0: the default, the CPUs this process may use
  std::uint32_t concurrency = 0;  ///< calls at once in each coroutine worker; 0: a pool of processes
};

/// configs/tined.json, checked. Every member is at its default where the file says nothing.
struct Config {
  std::vector<PoolConfig> pools;     ///< never empty: `default` stands in
  std::vector<std::string> modules;  ///< absolute paths
  std::vector<CoProcessSpec> functions;
  Durability durability = Durability::power;
  std::uint64_t keep_jobs = 100000;
  std::uint64_t keep_events = 100000;
  std::uint64_t shared_memory_bytes = 1ull << 30;  ///< of arrays, queues, dictionaries and locks together
  double drain_timeout_s = 8;
  double callback_timeout_s = 60;
};

/// Errors: Errc::usage naming the file, the line, the key and what is allowed.
Result<Config> read_config(const std::string& path);
Result<Config> parse_config(const std::string& text, const std::string& path);

/// CPUs that affinity and the cgroup's quota leave to this process, at least 1.
std::uint32_t usable_cpus();

}  // namespace tine
