#include "cmd/completion_words.hpp"

#include <algorithm>

namespace tine::cmd {
namespace {

bool is_subcommand(std::string_view word) {
  return !word.empty() && std::all_of(word.begin(), word.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

}  // namespace

std::vector<std::string> subcommands_of(const VerbText& verb) {
  std::vector<std::string> words;
  std::string_view rest = verb.synopsis;
  rest.remove_prefix(std::min(rest.size(), rest.find(' ')));  // the verb
  while (!rest.empty()) {
    // Between " | " stand the ways to call it; the first word of each may be several: close|open|join.
    const auto bar = rest.find(" |");
    auto way = rest.substr(0, bar);
    rest.remove_prefix(bar == std::string_view::npos ? rest.size() : bar + 2);
    way.remove_prefix(std::min(way.find_first_not_of(' '), way.size()));
    way = way.substr(0, way.find(' '));
    while (!way.empty()) {
      const auto one = way.substr(0, way.find('|'));
      way.remove_prefix(std::min(way.size(), one.size() + 1));
      if (is_subcommand(one) && one != verb.name) words.emplace_back(one);
    }
  }
  return words;
}

Wanted wanted_by(const VerbText::Option& option) {
  const auto& value = option.placeholder;
  if (value.empty()) return Wanted::nothing;
  if (value == "POOL") return Wanted::pool;
  if (value == "STATE") return Wanted::state;
  if (value == "SIG") return Wanted::signal;
  if (value == "DIR") return Wanted::folder;
  if (value == "ID[,ID]" || value == "ID") return Wanted::job;
  if (value == "PATH" || value.starts_with("FILE")) return Wanted::file;
  return Wanted::anything;
}

Wanted wanted_words(const VerbText& verb) {
  if (verb.synopsis.find("SEL") != std::string::npos) return Wanted::job;
  if (verb.synopsis.find("CMD") != std::string::npos) return Wanted::command;
  if (verb.synopsis.find("FILE") != std::string::npos) return Wanted::file;
  if (verb.name == "pool") return Wanted::pool;
  if (verb.synopsis.find("bash|zsh|fish") != std::string::npos) return Wanted::shell;
  return Wanted::anything;
}

std::string name_of(Wanted wanted) {
  switch (wanted) {
    case Wanted::nothing:
      return "flag";
    case Wanted::anything:
      return "anything";
    case Wanted::job:
      return "job";
    case Wanted::pool:
      return "pool";
    case Wanted::state:
      return "state";
    case Wanted::signal:
      return "signal";
    case Wanted::file:
      return "file";
    case Wanted::folder:
      return "folder";
    case Wanted::command:
      return "command";
    case Wanted::shell:
      return "shell";
  }
  return "";
}

std::string short_name(const VerbText::Option& option) {
  const auto& names = option.names;
  return names.size() >= 2 && names[1] != '-' ? names.substr(1, 1) : "";
}

std::string long_name(const VerbText::Option& option) {
  const auto dashes = option.names.find("--");
  return dashes == std::string::npos ? "" : option.names.substr(dashes + 2);
}

}  // namespace tine::cmd
