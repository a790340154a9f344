#include "daemon/config.hpp"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "core/base/file.hpp"
#include "core/base/json_depth.hpp"
#include "core/base/limits.hpp"
#include "core/base/quantity.hpp"
#include "core/pool/functions.hpp"
#include "core/process/own_cgroup.hpp"
#include "ipc/codec.hpp"

namespace tine {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t shared_memory_bytes_max = 1ull << 40;

/// One config text being checked: turns keys into places for messages.
class Reader {
 public:
  Reader(const std::string& text, const std::string& path) : text_(text), path_(path) {}

  Error wrong(const std::string& key, const std::string& what) const {
    // Quoted where it has to be: the message stays one line, whatever somebody calls a key.
    const bool is_plain = std::all_of(key.begin(), key.end(), [](unsigned char c) { return c >= ' '; });
    return make_error(Errc::usage, path_ + ":" + std::to_string(line_of(key)) + ": " +
                                       (is_plain ? key : Json(key).dump()) + ": " + what);
  }

  Status refuse_unknown(const Json& object, const std::vector<std::string>& allowed) const {
    for (const auto& [key, value] : object.items()) {
      if (std::find(allowed.begin(), allowed.end(), key) != allowed.end()) continue;
      std::string list;
      for (const auto& name : allowed) list += (list.empty() ? "" : " ") + name;
      return wrong(key, "unknown key; allowed: " + list);
    }
    return ok();
  }

  Result<std::uint64_t> number(const Json& object, const std::string& key, std::uint64_t fallback,
                               std::uint64_t least, std::uint64_t greatest) const {
    if (!object.contains(key)) return fallback;
    const Json& value = object[key];
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() < least ||
        value.get<std::uint64_t>() > greatest)
      return wrong(
          key, "must be a whole number from " + std::to_string(least) + " to " + std::to_string(greatest));
    return value.get<std::uint64_t>();
  }

  Result<std::uint64_t> size(const Json& object, const std::string& key, std::uint64_t fallback) const {
    if (!object.contains(key)) return fallback;
    const Json& value = object[key];
    const auto bytes = value.is_string()            ? parse_size_bytes(value.get<std::string>())
                       : value.is_number_unsigned() ? Result<std::uint64_t>(value.get<std::uint64_t>())
                                                    : Result<std::uint64_t>(make_error(Errc::usage, ""));
    if (!bytes || *bytes == 0 || *bytes > shared_memory_bytes_max)
      return wrong(key, "must be a size from 1 to 1024G: 64K 10M 2G or bytes");
    return *bytes;
  }

  Result<double> duration(const Json& object, const std::string& key, double fallback) const {
    auto value = ipc::duration_field(object, key.c_str(), fallback);
    if (!value) return wrong(key, "must be a duration: 500ms 30s 5m 2h 1d or seconds");
    return *value;
  }

  Result<std::string> text(const Json& object, const std::string& key) const {
    if (!object.contains(key) || !object[key].is_string()) return wrong(key, "must be a string");
    return object[key].get<std::string>();
  }

 private:
  std::size_t line_of(const std::string& key) const {
    const auto at = text_.find('"' + key + '"');
    if (at == std::string::npos) return 1;
    return 1 + static_cast<std::size_t>(
                   std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
  }
  const std::string& text_;
  const std::string& path_;
};

bool is_name(const std::string& name) {
  return !name.empty() && name.size() <= limits::name_bytes_max &&
         std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '-' || c == '.'; });
}

Result<PoolConfig> read_pool(const Reader& reader, const Json& item) {
  if (!item.is_object()) return reader.wrong("pools", "must be an array of objects");
  if (auto s = reader.refuse_unknown(item, {"name", "kind", "size", "concurrency"}); !s) return s.error();
  auto name = reader.text(item, "name");
  if (!name) return name.error();
  if (!is_name(*name)) return reader.wrong("name", "a pool's name has letters, digits, _ - and .");
  const bool is_coroutine = item.contains("kind") && item["kind"] == "coroutine";
  if (item.contains("kind") && item["kind"] != "process" && !is_coroutine)
    return reader.wrong("kind", "must be \"process\" or \"coroutine\"");
  auto size = reader.number(item, "size", is_coroutine ? 1 : 0, 1, limits::pool_size_max);
  if (!size) return size.error();
  if (!is_coroutine && item.contains("concurrency"))
    return reader.wrong("concurrency", "goes with \"kind\": \"coroutine\" only");
  auto concurrency = reader.number(item, "concurrency", default_concurrency, 1, limits::concurrency_max);
  if (!concurrency) return concurrency.error();
  return PoolConfig{*name, static_cast<std::uint32_t>(*size),
                    is_coroutine ? static_cast<std::uint32_t>(*concurrency) : 0};
}

Status read_pools(const Reader& reader, const Json& root, Config& config) {
  if (!root.contains("pools")) return ok();
  if (!root["pools"].is_array()) return reader.wrong("pools", "must be an array of objects");
  std::set<std::string> names;
  for (const auto& item : root["pools"]) {
    auto pool = read_pool(reader, item);
    if (!pool) return pool.error();
    if (!names.insert(pool->name).second) return reader.wrong("pools", "two pools are named " + pool->name);
    config.pools.push_back(std::move(*pool));
  }
  return ok();
}

Status read_modules(const Reader& reader, const Json& root, const std::string& path, Config& config) {
  if (!root.contains("modules")) return ok();
  if (!root["modules"].is_array()) return reader.wrong("modules", "must be an array of paths");
  for (const auto& item : root["modules"]) {
    if (!item.is_string()) return reader.wrong("modules", "must be an array of paths");
    config.modules.push_back(absolute_path(item.get<std::string>(), parent_folder(path)));
  }
  return ok();
}

Result<CoProcessSpec> read_function(const Reader& reader, const Json& item, const std::string& path) {
  if (!item.is_object()) return reader.wrong("functions", "must be an array of objects");
  if (auto s = reader.refuse_unknown(item, {"name", "command"}); !s) return s.error();
  auto name = reader.text(item, "name");
  if (!name) return name.error();
  if (!is_name(*name)) return reader.wrong("name", "a function's name has letters, digits, _ - and .");
  CoProcessSpec function{std::move(*name), {}, parent_folder(path)};
  const auto words = item.find("command");
  if (words == item.end() || !words->is_array() || words->empty())
    return reader.wrong("command", "must be a non-empty array of strings");
  for (const auto& word : *words) {
    if (!word.is_string() || word.get_ref<const std::string&>().find('\0') != std::string::npos)
      return reader.wrong("command", "must be a non-empty array of strings");
    function.command.push_back(word.get<std::string>());
  }
  if (function.command[0].empty()) return reader.wrong("command", "the first word is a program");
  return function;
}

Status read_functions(const Reader& reader, const Json& root, const std::string& path, Config& config) {
  if (!root.contains("functions")) return ok();
  if (!root["functions"].is_array()) return reader.wrong("functions", "must be an array of objects");
  const auto built_in = Functions::with_built_ins().names();
  std::set<std::string> names(built_in.begin(), built_in.end());
  for (const auto& item : root["functions"]) {
    auto function = read_function(reader, item, path);
    if (!function) return function.error();
    if (!names.insert(function->name).second)
      return reader.wrong("functions", "two functions are named " + function->name);
    config.functions.push_back(std::move(*function));
  }
  return ok();
}

Status read_rest(const Reader& reader, const Json& root, Config& config) {
  if (root.contains("durability")) {
    if (root["durability"] == "process")
      config.durability = Durability::process;
    else if (root["durability"] != "power")
      return reader.wrong("durability", "must be \"power\" or \"process\"");
  }
  auto keep = reader.number(root, "keep_jobs", config.keep_jobs, 1, 1'000'000'000);
  if (!keep) return keep.error();
  auto shared = reader.size(root, "shared_memory_bytes", config.shared_memory_bytes);
  if (!shared) return shared.error();
  auto drain = reader.duration(root, "drain_timeout", config.drain_timeout_s);
  if (!drain) return drain.error();
  auto callback = reader.duration(root, "callback_timeout", config.callback_timeout_s);
  if (!callback) return callback.error();
  auto keep_events = reader.number(root, "keep_events", config.keep_events, 1, 1'000'000'000);
  if (!keep_events) return keep_events.error();
  config.keep_jobs = *keep;
  config.keep_events = *keep_events;
  config.shared_memory_bytes = *shared;
  config.drain_timeout_s = *drain;
  config.callback_timeout_s = *callback;
  return ok();
}

/// In CPUs; infinity where none is set, or the folder is not there.
double quota_in(const std::string& cgroup) {
  double quota = 0, period = 0;
  if (const auto v2 = read_file(cgroup + "/cpu.max"))
    return std::sscanf(v2->c_str(), "%lf %lf", &quota, &period) == 2 && period > 0 ? quota / period
                                                                                   : HUGE_VAL;
  const auto v1 = read_file(cgroup + "/cpu.cfs_quota_us"),
             v1_period = read_file(cgroup + "/cpu.cfs_period_us");
  if (!v1 || !v1_period) return HUGE_VAL;
  quota = std::atof(v1->c_str()), period = std::atof(v1_period->c_str());
  return quota > 0 && period > 0 ? quota / period : HUGE_VAL;
}

/// The least of this process's cgroup and those above it. In a container the path may be the host's; then its
/// own is the root that it sees.
double cgroup_quota() {
  double least = HUGE_VAL;
  for (const auto& [controller, place] : {std::pair("", "/sys/fs/cgroup"), {"cpu", "/sys/fs/cgroup/cpu"}}) {
    least = std::min(least, quota_in(place));
    for (auto path = own_cgroup(controller).value_or("/"); path.size() > 1; path.resize(path.rfind('/')))
      least = std::min(least, quota_in(place + path));
  }
  return least;
}

}  // namespace

Result<Config> parse_config(const std::string& text, const std::string& path) {
  const Reader reader(text, path);
  if (json_too_deep_at(text))
    return make_error(Errc::usage, path + ": nested deeper than " + std::to_string(limits::json_depth_max));
  Json root;
  try {
    root = Json::parse(text, nullptr, true, /*ignore_comments=*/true);
  } catch (const Json::parse_error& error) {
    const auto end =
        text.begin() + static_cast<std::ptrdiff_t>(std::min(error.byte ? error.byte - 1 : 0, text.size()));
    return make_error(Errc::usage, path + ":" + std::to_string(1 + std::count(text.begin(), end, '\n')) +
                                       ": not JSON (// comments are allowed)");
  } catch (const Json::exception&) {
    return make_error(Errc::usage, path + ": has a number that no number of this machine can hold");
  }
  if (!root.is_object()) return make_error(Errc::usage, path + ":1: must be one JSON object");
  Config config;
  if (auto s = reader.refuse_unknown(
          root, {"pools", "modules", "functions", "durability", "keep_jobs", "keep_events",
                 "shared_memory_bytes", "drain_timeout", "callback_timeout"});
      !s)
    return s.error();
  if (auto s = read_pools(reader, root, config); !s) return s.error();
  if (auto s = read_modules(reader, root, path, config); !s) return s.error();
  if (auto s = read_functions(reader, root, path, config); !s) return s.error();
  if (auto s = read_rest(reader, root, config); !s) return s.error();
  if (config.pools.empty()) config.pools.push_back({"default", 0});
  return config;
}

Result<Config> read_config(const std::string& path) {
  auto text = read_file(path);
  if (!text) return make_error(Errc::usage, "config: " + text.error().message());
  return parse_config(*text, path);
}

std::uint32_t usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  double cpus = ::sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  cpus = std::min(cpus, std::ceil(cgroup_quota()));
  return static_cast<std::uint32_t>(std::max(1.0, cpus));
}

}  // namespace tine
