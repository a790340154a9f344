#include "core/job/conditions.hpp"

#include <set>

#include "core/base/quantity.hpp"
#include "core/base/text.hpp"

namespace tine {
namespace {

/// More ids than this in one dependency are a mistake, not a wish.
constexpr JobId ids_max = 100'000;

Result<std::int64_t> number(std::string_view text, std::int64_t least, std::int64_t greatest) {
  // A sign is no part of a range's end.
  if (text.empty() || text[0] < '0' || text[0] > '9')
    return make_error(Errc::usage, "\"" + std::string(text) + "\" is no number");
  return parse_integer(text, least, greatest);
}

Result<std::pair<std::int64_t, std::int64_t>> range(std::string_view text, std::int64_t least,
                                                    std::int64_t greatest) {
  const auto dash = text.find('-');
  const auto from = number(text.substr(0, dash), least, greatest);
  if (!from) return from.error();
  if (dash == std::string_view::npos) return std::pair(*from, *from);
  const auto to = number(text.substr(dash + 1), least, greatest);
  if (!to) return to.error();
  if (*to < *from) return make_error(Errc::usage, "the range " + std::string(text) + " is reversed");
  return std::pair(*from, *to);
}

Status append_ids(std::string_view text, std::vector<JobId>& ids) {
  const auto both = range(text, 1, INT64_MAX);
  if (!both) return both.error();
  const auto [from, to] = *both;
  if (static_cast<JobId>(to - from) >= ids_max || ids.size() >= ids_max)
    return make_error(Errc::usage, "over " + std::to_string(ids_max) + " ids");
  for (auto id = from; id <= to; ++id) ids.push_back(static_cast<JobId>(id));
  return ok();
}

std::optional<After> after_from(std::string_view word) {
  if (word == "afterok") return After::ok;
  if (word == "afterany") return After::any;
  if (word == "afternotok") return After::not_ok;
  return std::nullopt;
}

}  // namespace

Result<std::vector<Dependency>> parse_dependencies(std::string_view text) {
  constexpr const char* allowed =
      "; allowed: afterok:ID[:ID], afterany:ID, afternotok:ID, with commas between";
  std::vector<Dependency> dependencies;
  for (const auto group : split(text, ',')) {
    const auto words = split(group, ':');
    const auto after = after_from(words[0]);
    if (!after || words.size() == 1)
      return make_error(Errc::usage, "\"" + std::string(words[0]) +
                                         (after ? "\" names no job" : "\" is not known") + allowed);
    std::vector<JobId> ids;
    for (std::size_t i = 1; i < words.size(); ++i)
      if (auto status = append_ids(words[i], ids); !status)
        return make_error(Errc::usage, status.error().message() + allowed);
    for (const JobId id : ids) dependencies.push_back({*after, id});
  }
  return dependencies;
}

Result<std::vector<JobId>> parse_ids(std::string_view text) {
  std::vector<JobId> ids;
  for (const auto part : split(text, ','))
    if (auto status = append_ids(part, ids); !status)
      return make_error(Errc::usage, status.error().message() + "; allowed: ids as 3,7 or a range 10-12");
  return ids;
}

Result<ArrayRange> parse_array(std::string_view text) {
  const auto wrong = [&](const std::string& why) {
    return make_error(Errc::usage, "\"" + std::string(text) + "\": " + why +
                                       "; allowed: FIRST-LAST[:STEP][%MAX] with at most " +
                                       std::to_string(array_elements_max) + " elements and indexes up to " +
                                       std::to_string(array_index_max));
  };
  ArrayRange array;
  const auto percent = text.find('%');
  if (percent != std::string_view::npos) {
    const auto most = number(text.substr(percent + 1), 1, static_cast<std::int64_t>(array_elements_max));
    if (!most) return wrong("%MAX: " + most.error().message());
    array.at_once_max = static_cast<std::uint32_t>(*most);
  }
  std::set<std::uint32_t> indexes;
  for (const auto part : split(text.substr(0, percent), ',')) {
    const auto colon = part.find(':');
    const auto both = range(part.substr(0, colon), 0, array_index_max);
    if (!both) return wrong(both.error().message());
    const auto step = colon == std::string_view::npos ? Result<std::int64_t>(1)
                                                      : number(part.substr(colon + 1), 1, array_index_max);
    if (!step) return wrong("STEP: " + step.error().message());
    for (auto index = both->first; index <= both->second; index += *step) {
      indexes.insert(static_cast<std::uint32_t>(index));
      if (indexes.size() > array_elements_max) return wrong("too many elements");
    }
  }
  array.indexes.assign(indexes.begin(), indexes.end());
  return array;
}

}  // namespace tine
