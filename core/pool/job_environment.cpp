#include "core/pool/job_environment.hpp"

#include <string_view>
#include <unordered_map>

namespace tine {
namespace {

class Environment {
 public:
  void put(std::string entry) {
    const std::string name = entry.substr(0, entry.find('='));
    const auto [place, is_new] = place_.emplace(name, entries_.size());
    if (is_new)
      entries_.push_back(std::move(entry));
    else
      entries_[place->second] = std::move(entry);
  }
  std::vector<std::string> take() { return std::move(entries_); }

 private:
  std::vector<std::string> entries_;
  std::unordered_map<std::string, std::size_t> place_;
};

}  // namespace

std::vector<std::string> job_environment(const StartOrder& order, const JobSpec& spec,
                                         const std::string& socket_path, std::uint32_t slot) {
  Environment environment;
  const std::string_view base = order.environment;
  for (std::size_t at = 0; at < base.size();) {
    const auto end = std::min(base.find('\0', at), base.size());
    // A job submitted from within an array job is not an element of that array.
    const auto entry = base.substr(at, end - at);
    const bool is_wanted =
        spec.clean_environment ? entry.starts_with("PATH=") : !entry.starts_with("TINE_ARRAY_INDEX=");
    if (is_wanted) environment.put(std::string(entry));
    at = end + 1;
  }
  for (const auto& entry : spec.environment_extra) environment.put(entry);
  environment.put("TINE_SOCKET=" + socket_path);
  if (order.job != 0) {
    environment.put("TINE_JOB_ID=" + std::to_string(order.job));
    environment.put("TINE_ATTEMPT=" + std::to_string(order.attempt));
  }
  if (spec.array_index) environment.put("TINE_ARRAY_INDEX=" + std::to_string(*spec.array_index));
  environment.put("TINE_POOL=" + spec.pool);
  environment.put("TINE_SLOT=" + std::to_string(slot));
  return environment.take();
}

}  // namespace tine
