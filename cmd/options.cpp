#include "cmd/options.hpp"

#include <algorithm>

#include "cmd/print_json.hpp"
#include "cmd/verbs/verbs.hpp"
#include "core/base/file.hpp"

namespace tine::cmd {
namespace {

/// Whether `name` ("-n", "--name") is one of "-n,--name".
bool is_among(std::string_view names, std::string_view name) {
  while (!names.empty()) {
    const auto one = names.substr(0, names.find(','));
    if (one == name) return true;
    names.remove_prefix(std::min(names.size(), one.size() + 1));
  }
  return false;
}

std::string_view longest(std::string_view names) { return names.substr(names.rfind(',') + 1); }

/// One of the options that every verb has, at words[at]. 0: it is none; else how many words it takes.
Result<std::size_t> take_global(const Words& words, std::size_t at, Invocation& invocation) {
  const auto word = words[at];
  if (word == "--json") return invocation.json = true, std::size_t{1};
  if (word == "--no-autostart") return invocation.may_autostart = false, std::size_t{1};
  for (const auto& [name, target] :
       {std::pair<std::string_view, std::string*>{"--socket", &invocation.socket},
        {"--state-dir", &invocation.state_dir}}) {
    const bool joined = word.size() > name.size() && word.starts_with(name) && word[name.size()] == '=';
    if (!joined && word != name) continue;
    if (!joined && at + 1 == words.size())
      return make_error(Errc::usage, std::string(name) + " needs a value: a path");
    *target = joined ? word.substr(name.size() + 1) : words[at + 1];
    if (target->empty()) return make_error(Errc::usage, std::string(name) + " is empty; allowed: a path");
    return std::size_t{joined ? 1u : 2u};
  }
  return std::size_t{0};
}

}  // namespace

std::optional<int> parse_globals(Words words, Invocation& invocation) {
  invocation.verb.clear();
  std::size_t at = 0;
  while (at < words.size() && words[at].starts_with('-')) {
    const auto word = words[at];
    if (word == "--help" || word == "-h") return print_text(general_help());
    if (word == "--version" || word == "-V") return print_text("tine " TINE_VERSION "\n");
    const auto taken = take_global(words, at, invocation);
    if (!taken) return fail(invocation, taken.error());
    if (*taken == 0) {
      return fail_usage(invocation, std::string(word) +
                                        " is no option before the verb; allowed: --socket PATH, "
                                        "--state-dir DIR, --json, --no-autostart, --help, --version");
    }
    at += *taken;
  }
  if (at == words.size()) {
    invocation.verb = "status";
    return std::nullopt;
  }
  invocation.verb = words[at];
  invocation.words.assign(words.begin() + static_cast<std::ptrdiff_t>(at) + 1, words.end());
  return std::nullopt;
}

/// One pass over the words.
struct Options::Scan {
  const Words& words;
  std::size_t at = 0;
  bool asks_for_help = false;
};

void Options::flag(const char* names, bool& target, const char* help) {
  definitions_.push_back({names, nullptr, help, &target, nullptr, nullptr});
}
void Options::value(const char* names, const char* placeholder, std::optional<std::string_view>& target,
                    const char* help) {
  definitions_.push_back({names, placeholder, help, nullptr, &target, nullptr});
}
void Options::values(const char* names, const char* placeholder, Words& target, const char* help) {
  definitions_.push_back({names, placeholder, help, nullptr, nullptr, &target});
}

const Options::Definition* Options::find(std::string_view name) const {
  for (const auto& definition : definitions_) {
    if (is_among(definition.names, name)) return &definition;
  }
  return nullptr;
}

Error Options::unknown(std::string_view name) const {
  std::string what(name);
  what += " is no option here; allowed: ";
  for (const auto& definition : definitions_) what.append(longest(definition.names)).append(", ");
  return make_error(Errc::usage, what + "--json, --socket, --state-dir, --no-autostart, --help");
}

void Options::take(const Definition& definition, std::string_view value) {
  if (definition.set) *definition.set = true;
  if (definition.one) *definition.one = value;
  if (definition.many) definition.many->push_back(value);
}

Status Options::scan_long(Scan& scan, std::string_view word) {
  const auto equals = word.find('=');
  const auto name = word.substr(0, equals);
  const auto* definition = find(name);
  if (!definition) return unknown(name);
  if (equals != std::string_view::npos) {
    if (!definition->placeholder) return make_error(Errc::usage, std::string(name) + " takes no value");
    return take(*definition, word.substr(equals + 1)), ok();
  }
  if (!definition->placeholder) return take(*definition, ""), ok();
  if (scan.at == scan.words.size())
    return make_error(Errc::usage, std::string(name) + " needs a value: " + definition->placeholder);
  return take(*definition, scan.words[scan.at++]), ok();
}

/// "-f", "-fn 3", "-fn3".
Status Options::scan_short(Scan& scan, std::string_view word) {
  for (std::size_t i = 1; i < word.size(); ++i) {
    const std::string name{'-', word[i]};
    const auto* definition = find(name);
    if (!definition) return unknown(i == 1 ? word : std::string_view(name));
    if (!definition->placeholder) {
      take(*definition, "");
      continue;
    }
    if (i + 1 < word.size()) return take(*definition, word.substr(i + 1)), ok();
    if (scan.at == scan.words.size())
      return make_error(Errc::usage, name + " needs a value: " + definition->placeholder);
    return take(*definition, scan.words[scan.at++]), ok();
  }
  return ok();
}

Status Options::scan(Scan& scan) {
  while (scan.at < scan.words.size()) {
    const auto word = scan.words[scan.at];
    const bool is_number =
        numbers_are_words_ && word.size() > 1 && (word[1] == '.' || (word[1] >= '0' && word[1] <= '9'));
    const bool is_option = word.size() > 1 && word[0] == '-' && !is_number;
    if (word == "--" || (!is_option && stops_at_first_word_)) {
      const auto rest = scan.words.begin() + static_cast<std::ptrdiff_t>(scan.at + (word == "--" ? 1 : 0));
      free_words_.insert(free_words_.end(), rest, scan.words.end());
      return ok();
    }
    if (word == "--help" || word == "-h") {
      scan.asks_for_help = true;
      return ok();
    }
    const auto global =
        is_option ? take_global(scan.words, scan.at, invocation_) : Result<std::size_t>(std::size_t{0});
    if (!global) return global.error();
    scan.at += *global ? *global : 1;
    if (*global) continue;
    if (!is_option) {
      free_words_.push_back(word);
      continue;
    }
    const auto read = word[1] == '-' ? scan_long(scan, word) : scan_short(scan, word);
    if (!read) return read.error();
  }
  return ok();
}

std::optional<int> Options::parse() {
  if (invocation_.describe) return describe(*invocation_.describe), 0;
  Scan found{invocation_.words};
  if (const auto scanned = scan(found); !scanned) return fail(invocation_, scanned.error());
  if (found.asks_for_help) return print_text(help());
  return std::nullopt;
}

std::optional<int> Options::parse_without_words() {
  if (const auto over = parse()) return over;
  if (free_words_.empty()) return std::nullopt;
  return fail_usage(invocation_, "takes no word, not '" + std::string(free_words_[0]) + "'; see --help");
}

void Options::describe(VerbText& text) const {
  text.synopsis = synopsis_;
  text.about = about_;
  for (const auto& definition : definitions_)
    text.options.push_back(
        {definition.names, definition.placeholder ? definition.placeholder : "", definition.help});
}

std::string Options::help() const {
  std::string text = about_ + "\n\nUsage: tine " + synopsis_ + "\n\n";
  const auto left_of = [](const Definition& definition) {
    std::string names = definition.names;
    if (const auto comma = names.find(','); comma != std::string::npos) names.insert(comma + 1, " ");
    return definition.placeholder ? names + " " + definition.placeholder : names;
  };
  std::size_t width = 0;
  for (const auto& definition : definitions_) width = std::max(width, left_of(definition).size());
  for (const auto& definition : definitions_) {
    const auto left = left_of(definition);
    text.append("  ").append(left).append(width - left.size() + 2, ' ').append(definition.help).append("\n");
  }
  if (!definitions_.empty()) text += "\n";
  return text +
         "Everywhere: --json, --socket PATH, --state-dir DIR, --no-autostart.  All verbs: tine --help\n";
}

int fail(const Invocation& invocation, const Error& error) {
  std::string line = "tine";
  if (!invocation.verb.empty()) line += " " + invocation.verb;
  line += ": " + error.message();
  for (auto& character : line) {
    if (character == '\n') character = ' ';  // one line, whatever was quoted in it
  }
  (void)write_all(2, line + "\n");
  return exit_code_of(error);
}

int fail_usage(const Invocation& invocation, std::string what) {
  return fail(invocation, make_error(Errc::usage, std::move(what)));
}

}  // namespace tine::cmd
