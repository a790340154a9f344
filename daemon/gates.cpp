#include "daemon/gates.hpp"

#include <algorithm>
#include <cmath>

#include "core/base/clock.hpp"
#include "core/base/limits.hpp"

namespace tine {
namespace {

bool holds(After after, JobState end) {
  switch (after) {
    case After::ok:
      return end == JobState::succeeded;
    case After::not_ok:
      return end != JobState::succeeded;
    case After::any:
      break;
  }
  return true;
}

const char* word_of(After after) {
  return after == After::ok ? "afterok" : after == After::any ? "afterany" : "afternotok";
}

}  // namespace

void Gates::enter(JobId id, const JobSpec& spec, Micros not_before, const std::map<JobId, JobState>& ended) {
  Entry& entry = entries_[id];
  entry.retries = spec.retries;
  entry.retry_delay_s = spec.retry_delay_s;
  entry.backoff = spec.backoff;
  for (const Dependency& dependency : spec.dependencies) {
    entry.asked.push_back(dependency.job);
    ++depended_on_[dependency.job];
    if (const auto end = ended.find(dependency.job); end != ended.end()) {
      if (!holds(dependency.after, end->second)) entry.broken_by = dependency.job;
      continue;
    }
    entry.unmet.push_back(dependency);
    dependents_.emplace(dependency.job, id);
  }
  if (not_before != 0) delay_until(id, not_before);
  if (!spec.unique_key.empty()) {
    entry.unique_key = spec.unique_key;
    claim(spec.unique_key, id);
  }
  if (spec.array_max > 0) {
    entry.array = spec.array_id;
    Array& array = arrays_[spec.array_id];
    array.places = spec.array_max;
    ++array.members;
  }
}

void Gates::leave(JobId id) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return;
  const Entry& entry = found->second;
  for (const JobId asked : entry.asked)
    if (const auto count = depended_on_.find(asked); count != depended_on_.end() && --count->second == 0)
      depended_on_.erase(count);
  for (const Dependency& dependency : entry.unmet) {
    auto [first, last] = dependents_.equal_range(dependency.job);
    while (first != last) first = first->second == id ? dependents_.erase(first) : std::next(first);
  }
  if (entry.not_before != 0) times_.erase({entry.not_before, id});
  if (!entry.unique_key.empty()) disclaim(entry.unique_key, id);
  if (const auto array = arrays_.find(entry.array); array != arrays_.end() && --array->second.members == 0)
    arrays_.erase(array);
  entries_.erase(found);
}

bool Gates::is_open(JobId id, Micros now) const {
  const auto found = entries_.find(id);
  return found == entries_.end() ||
         (found->second.unmet.empty() && found->second.broken_by == 0 && found->second.not_before <= now);
}

JobId Gates::broken_by(JobId id) const {
  const auto found = entries_.find(id);
  return found == entries_.end() ? 0 : found->second.broken_by;
}

std::string Gates::why(JobId id, Micros now) const {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return "";
  const Entry& entry = found->second;
  if (!entry.unmet.empty()) {
    constexpr std::size_t named_max = 5;
    std::string text = "waits for the end of";
    for (std::size_t i = 0; i < std::min(entry.unmet.size(), named_max); ++i)
      text += std::string(i ? ", " : " ") + std::to_string(entry.unmet[i].job) + " (" +
              word_of(entry.unmet[i].after) + ")";
    if (entry.unmet.size() > named_max)
      text += " and " + std::to_string(entry.unmet.size() - named_max) + " more";
    return text;
  }
  if (entry.not_before > now) return "waits until " + rfc3339(entry.not_before);
  if (const auto array = arrays_.find(entry.array); array != arrays_.end())
    if (array->second.running.size() >= array->second.places && !array->second.running.contains(id))
      return "waits for its array: " + std::to_string(array->second.running.size()) + " of it run, " +
             std::to_string(array->second.places) + " may";
  return "";
}

std::vector<JobId> Gates::job_ended(JobId id, JobState state) {
  std::vector<JobId> decided;
  auto [first, last] = dependents_.equal_range(id);
  std::vector<JobId> waiting;
  for (auto it = first; it != last; ++it) waiting.push_back(it->second);
  dependents_.erase(first, last);
  std::sort(waiting.begin(), waiting.end());
  waiting.erase(std::unique(waiting.begin(), waiting.end()), waiting.end());
  for (const JobId one : waiting) {
    Entry& entry = entries_.at(one);
    std::erase_if(entry.unmet, [&](const Dependency& dependency) {
      if (dependency.job != id) return false;
      if (!holds(dependency.after, state)) entry.broken_by = id;
      return true;
    });
    if (entry.unmet.empty() || entry.broken_by != 0) decided.push_back(one);
  }
  return decided;
}

std::set<JobId> Gates::depended_on() const {
  std::set<JobId> ids;
  for (const auto& [id, count] : depended_on_) ids.insert(id);
  return ids;
}

void Gates::delay_until(JobId id, Micros time) {
  Entry& entry = entries_[id];
  if (entry.not_before != 0) times_.erase({entry.not_before, id});
  entry.not_before = time;
  times_.insert({time, id});
}

std::vector<JobId> Gates::due(Micros now) {
  std::vector<JobId> ids;
  while (!times_.empty() && times_.begin()->first <= now) {
    const JobId id = times_.begin()->second;
    times_.erase(times_.begin());
    entries_.at(id).not_before = 0;
    ids.push_back(id);
  }
  return ids;
}

std::optional<Micros> Gates::next_due() const {
  return times_.empty() ? std::nullopt : std::optional(times_.begin()->first);
}

std::optional<Micros> Gates::retry_at(JobId id, std::uint32_t attempt, Micros now) const {
  const auto found = entries_.find(id);
  if (found == entries_.end() || attempt > found->second.retries) return std::nullopt;
  const Entry& entry = found->second;
  double delay_s = entry.retry_delay_s * std::pow(entry.backoff, attempt - 1.0);
  // Up to a tenth more, so that jobs which failed together do not come again together; never less than asked.
  if (entry.backoff > 1)
    delay_s *= 1 + 0.1 * static_cast<double>((id * 2654435761u + attempt * 97u) % 1000) / 1000;
  return now + static_cast<Micros>(std::min(delay_s, static_cast<double>(limits::duration_s_max)) * 1e6);
}

std::vector<JobId> Gates::holders_of(const std::string& key) const {
  const auto found = keys_.find(key);
  return found == keys_.end() ? std::vector<JobId>{} : found->second;
}

void Gates::claim(const std::string& key, JobId id) {
  auto& ids = keys_[key];
  if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
}

void Gates::disclaim(const std::string& key, JobId id) {
  const auto found = keys_.find(key);
  if (found == keys_.end()) return;
  std::erase(found->second, id);
  if (found->second.empty()) keys_.erase(found);
}

bool Gates::take_place(JobId id) {
  const auto found = entries_.find(id);
  if (found == entries_.end() || found->second.array == 0) return true;
  Array& array = arrays_.at(found->second.array);
  if (array.running.contains(id)) return true;
  if (array.running.size() < array.places) return array.running.insert(id), true;
  array.waiting.insert(id);
  return false;
}

std::optional<JobId> Gates::give_place_back(JobId id) {
  const auto found = entries_.find(id);
  if (found == entries_.end() || found->second.array == 0) return std::nullopt;
  Array& array = arrays_.at(found->second.array);
  array.waiting.erase(id);
  if (array.running.erase(id) == 0 || array.waiting.empty()) return std::nullopt;
  return array.waiting.extract(array.waiting.begin()).value();
}

}  // namespace tine
