#include "core/pool/job_environment.hpp"

#include <algorithm>
#include <unordered_map>

namespace tine {
namespace {

std::string_view name_in(std::string_view entry) { return entry.substr(0, entry.find('=')); }

/// Each name once, where it stood first, with what it was last.
std::vector<std::string> entries_of(std::string_view base) {
  std::vector<std::string> entries;
  std::unordered_map<std::string_view, std::size_t> place;
  while (!base.empty()) {
    const auto end = std::min(base.find('\0'), base.size());
    const auto entry = base.substr(0, end);
    const auto [at, is_new] = place.emplace(name_in(entry), entries.size());
    if (is_new)
      entries.emplace_back(entry);
    else
      entries[at->second] = entry;
    base.remove_prefix(std::min(end + 1, base.size()));
  }
  return entries;
}

void put(std::vector<std::string>& environment, std::string entry) {
  const auto name = name_in(entry);
  const auto same = std::find_if(environment.begin(), environment.end(),
                                 [&](const std::string& other) { return name_in(other) == name; });
  if (same == environment.end())
    environment.push_back(std::move(entry));
  else
    *same = std::move(entry);
}

}  // namespace

std::vector<std::string> JobEnvironments::of(const StartOrder& order, const JobSpec& spec) {
  if (order.environment != base_) {
    base_ = order.environment;
    entries_ = entries_of(base_ ? *base_ : std::string_view());
  }
  std::vector<std::string> environment;
  environment.reserve(entries_.size() + spec.environment_extra.size() + 6);
  for (const auto& entry : entries_) {
    // A job submitted from within an array job is not an element of that array.
    const bool is_wanted =
        spec.clean_environment ? entry.starts_with("PATH=") : !entry.starts_with("TINE_ARRAY_INDEX=");
    if (is_wanted) environment.push_back(entry);
  }
  for (const auto& entry : spec.environment_extra) put(environment, entry);
  put(environment, "TINE_SOCKET=" + socket_path_);
  if (order.job != 0) {
    put(environment, "TINE_JOB_ID=" + std::to_string(order.job));
    put(environment, "TINE_ATTEMPT=" + std::to_string(order.attempt));
  }
  if (spec.array_index) put(environment, "TINE_ARRAY_INDEX=" + std::to_string(*spec.array_index));
  put(environment, "TINE_POOL=" + spec.pool);
  put(environment, "TINE_SLOT=" + std::to_string(slot_));
  return environment;
}

}  // namespace tine
