#include "cmd/shared_state.hpp"

#include "core/base/json_depth.hpp"
#include "core/base/limits.hpp"
#include "core/base/quantity.hpp"
#include "core/base/state_folder.hpp"
#include "core/base/text.hpp"
#include "core/shared/job_mark.hpp"

namespace tine::cmd {

Result<shared::Folder> shared_folder(const Invocation& invocation) {
  const auto state_dir = state_folder_of_socket(invocation.state_dir, invocation.socket);
  if (!state_dir) return state_dir.error();
  return shared::Folder::open(*state_dir);
}

Result<shared::Json> parse_value(std::string_view word, ValueWish wish) {
  const std::string text(word);
  if (wish == ValueWish::json_or_string) {
    if (json_too_deep_at(text))
      return make_error(Errc::usage, "a value is nested too deep; allowed: " +
                                         std::to_string(limits::json_depth_max) + " levels");
    auto value = shared::Json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!value.is_discarded()) return value;
  }
  if (!is_utf8(word)) return make_error(Errc::usage, "a value is neither JSON nor UTF-8; allowed: either");
  return shared::Json(text);
}

Result<shared::Key> parse_key(std::string_view word, ValueWish wish) {
  const auto value = parse_value(word, wish);
  if (!value) return value.error();
  if (value->is_string()) return shared::Key(value->get<std::string>());
  const bool fits =
      value->is_number_integer() &&
      (!value->is_number_unsigned() || value->get<std::uint64_t>() <= static_cast<std::uint64_t>(INT64_MAX));
  if (fits) return shared::Key(value->get<std::int64_t>());
  return make_error(Errc::usage,
                    "'" + std::string(word) +
                        "' is no key; allowed: a whole number of 64 bits, or a string (--string forces it)");
}

std::string value_text(const shared::Json& value, bool json) {
  if (value.is_string() && !json) return value.get<std::string>();
  return value.dump(-1, ' ', false, shared::Json::error_handler_t::replace);
}

shared::Json key_json(const shared::Key& key) {
  return std::visit([](const auto& value) { return shared::Json(value); }, key);
}

Result<shared::Deadline> parse_deadline(const std::optional<std::string_view>& timeout) {
  if (!timeout) return shared::Deadline();
  const auto seconds = parse_duration_s(*timeout);
  if (!seconds) return make_error(Errc::usage, "--timeout: " + seconds.error().message());
  return shared::Deadline(shared::Clock::now() + std::chrono::duration_cast<shared::Clock::duration>(
                                                     std::chrono::duration<double>(*seconds)));
}

Result<shared::Owner> job_that_takes(const shared::Folder& folder, std::string_view what) {
  const auto job = shared::this_job();
  if (job == 0)
    return make_error(Errc::usage, std::string(what) +
                                       " belongs to a job; allowed: inside of one (TINE_JOB_ID is not set)");
  if (auto marked = shared::mark_job(folder.path(), job); !marked) return marked.error();
  return job;
}

const Subcommand* find_subcommand(Invocation& invocation, const Words& free_words, const Subcommand* begin,
                                  const Subcommand* end, Words& words, int& exit_code) {
  const auto refuse = [&](std::string what) -> const Subcommand* {
    exit_code = fail_usage(invocation, std::move(what));
    return nullptr;
  };
  std::string all;
  for (auto* one = begin; one != end; ++one) all.append(all.empty() ? "" : ", ").append(one->usage);
  if (free_words.empty()) return refuse("what is missing; allowed: " + all);
  for (auto* one = begin; one != end; ++one) {
    if (one->name != free_words[0]) continue;
    words.assign(free_words.begin() + 1, free_words.end());
    invocation.verb += " " + std::string(one->name);
    if (words.size() < one->words_least || words.size() > one->words_most)
      return refuse(std::to_string(words.size()) + " words; allowed: " + one->usage);
    return one;
  }
  return refuse("'" + std::string(free_words[0]) + "' is not known; allowed: " + all);
}

}  // namespace tine::cmd
