#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "cmd/options.hpp"
#include "core/shared/dict.hpp"
#include "core/shared/folder.hpp"

/// What the verbs array, dict, queue and lock have in common. They work in the shared memory themselves, with
/// or without a daemon.
namespace tine::cmd {

/// The memory of the daemon that this invocation means. Made if absent.
Result<shared::Folder> shared_folder(const Invocation& invocation);

enum class ValueWish { json_or_string, string };  ///< the latter: --string
/// A word of the command line: JSON if it parses as JSON, else a string. Errors: Errc::usage for what is too
/// deep or no UTF-8.
Result<shared::Json> parse_value(std::string_view word, ValueWish wish);
/// Errors: Errc::usage for JSON that is neither a whole number of 64 bits nor a string.
Result<shared::Key> parse_key(std::string_view word, ValueWish wish);

/// A string bare, all else as JSON; under --json a string too. Without the newline.
std::string value_text(const shared::Json& value, bool json);
shared::Json key_json(const shared::Key& key);

/// From --timeout D; none: for ever. Errors: Errc::usage.
Result<shared::Deadline> parse_deadline(const std::optional<std::string_view>& timeout);

/// The attempt of the job around this process, which has left its mark: what it takes it loses at its end.
/// Errors: Errc::usage outside of a job.
Result<shared::Owner> job_that_takes(const shared::Folder& folder, std::string_view what);

inline constexpr std::size_t any_number = SIZE_MAX;
/// One subcommand, of words after it. `usage` is shown when their number is not within the bounds.
struct Subcommand {
  std::string_view name;
  std::size_t words_least, words_most;  ///< the most may be any_number
  const char* usage;
};
/// The subcommand that the free words begin with; null: an error was told, its code is in `exit_code`.
/// `words` gets the others.
const Subcommand* find_subcommand(Invocation& invocation, const Words& free_words, const Subcommand* begin,
                                  const Subcommand* end, Words& words, int& exit_code);

}  // namespace tine::cmd
