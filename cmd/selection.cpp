#include "cmd/selection.hpp"

#include <charconv>
#include <nlohmann/json.hpp>

namespace tine::cmd {
namespace {

using ipc::Json;

/// 0: not an id.
JobId parse_id(std::string_view text) {
  JobId id = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), id);
  return failure == std::errc{} && end == text.data() + text.size() ? id : 0;
}

Error malformed(std::string_view word) {
  return make_error(Errc::usage,
                    "'" + std::string(word) + "' names no job; allowed: an id, a range as 12-111, or last");
}

std::string text_of(const std::pair<JobId, JobId>& range) {
  return std::to_string(range.first) + "-" + std::to_string(range.second);
}

Status append_range(ipc::Client& client, const std::pair<JobId, JobId>& range, std::vector<JobId>& ids) {
  const auto before = ids.size();
  for (JobId after = range.first - 1; after < range.second;) {
    const auto page = client.call("list", {{"after_id", after}});
    if (!page) return page.error();
    for (const auto& job : page->at("jobs")) {
      after = job.at("id").get<JobId>();
      if (after <= range.second) ids.push_back(after);
    }
    if (page->at("jobs").empty() || !page->value("more", false)) break;
  }
  if (ids.size() > before) return ok();
  return make_error(Errc::absent, "no job in " + text_of(range));
}

}  // namespace

Result<Selection> parse_selection(const Words& words) {
  if (words.empty())
    return make_error(Errc::usage, "no job named; allowed: an id, a range as 12-111, or last");
  Selection selection;
  for (const auto word : words) {
    if (word == "last") {
      selection.last = true;
      continue;
    }
    const auto dash = word.find('-');
    const JobId from = parse_id(word.substr(0, dash));
    const JobId to = dash == std::string_view::npos ? from : parse_id(word.substr(dash + 1));
    if (from == 0 || to == 0) return malformed(word);
    if (to < from)
      return make_error(Errc::usage, "the range " + std::string(word) + " is reversed; allowed: low-high");
    selection.ranges.emplace_back(from, to);
  }
  return selection;
}

Json to_params(const Selection& selection) {
  Json ids = Json::array();
  for (const auto& [from, to] : selection.ranges) ids.push_back(Json::array({from, to}));
  Json params{{"ids", std::move(ids)}};
  if (selection.last) params["last"] = true;
  return params;
}

Status pin_last(Reached& daemon, Selection& selection) {
  if (!selection.last) return ok();
  const auto newest = ask_outliving(daemon, "list", [] { return Json{{"limit", 1}}; });
  if (!newest) return newest.error();
  if (newest->at("jobs").empty()) return make_error(Errc::absent, "there is no last job: no job is known");
  const auto id = newest->at("jobs").back().at("id").get<JobId>();
  selection.ranges.emplace_back(id, id);
  selection.last = false;
  return ok();
}

Result<std::vector<JobId>> existing_ids(Reached& daemon, Selection selection) {
  if (const auto pinned = pin_last(daemon, selection); !pinned) return pinned.error();
  std::vector<JobId> ids;
  for (const auto& range : selection.ranges) {
    if (range.first == range.second) {
      ids.push_back(range.first);
    } else if (const auto appended = append_range(daemon.client, range, ids); !appended) {
      return appended.error();
    }
  }
  return ids;
}

}  // namespace tine::cmd
