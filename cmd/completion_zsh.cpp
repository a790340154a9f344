#include "cmd/completion_words.hpp"
#include "cmd/verbs/verbs.hpp"

namespace tine::cmd {
namespace {

constexpr const char* zsh_head = R"SH(#compdef tine
# Rows without their head; a daemon is asked, never started.
_tine_ask() { TINE_AUTOSTART=0 command tine "$@" --no-autostart 2>/dev/null | sed 1d; }
_tine_job() { local -a ids; ids=(last ${(f)"$(_tine_ask list --columns id --limit 200)"}); compadd -a ids; }
_tine_pool() { local -a pools; pools=(${${(f)"$(_tine_ask pool list)"}%% *}); compadd -a pools; }
_tine_state() { compadd waiting held queued running succeeded failed timed_out cancelled lost; }
_tine_signal() { compadd TERM KILL INT HUP QUIT USR1 USR2 STOP CONT; }
_tine_shell() { compadd bash zsh fish; }
_tine_command() { if (( CURRENT == 1 )); then _command_names -e; else _normal; fi; }

)SH";

/// In a spec of _arguments, between single quotes.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
      continue;
    }
    if (c == ':' || c == '[' || c == ']' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string action_of(Wanted wanted) {
  switch (wanted) {
    case Wanted::file:
      return "_files";
    case Wanted::folder:
      return "_files -/";
    case Wanted::nothing:
    case Wanted::anything:
      return " ";
    default:
      return "_tine_" + name_of(wanted);
  }
}

void append_option(std::string& text, const std::string& name, const VerbText::Option& option) {
  text += " \\\n        '*" + name + "[" + escaped(option.help) + "]";
  if (!option.placeholder.empty())
    text += ":" + escaped(option.placeholder) + ":" + action_of(wanted_by(option));
  text += "'";
}

std::string specs_of(const VerbText& verb) {
  std::string text = "    " + verb.name + ")\n      _arguments -s -S $globals";
  for (const auto& option : verb.options) {
    if (!short_name(option).empty()) append_option(text, "-" + short_name(option), option);
    if (!long_name(option).empty()) append_option(text, "--" + long_name(option), option);
  }
  const auto words = subcommands_of(verb);
  if (!words.empty()) {
    text += " \\\n        '1:what:(";
    for (const auto& word : words) text += (word == words.front() ? "" : " ") + word;
    text += ")'";
  }
  const auto wanted = wanted_words(verb);
  text += wanted == Wanted::command ? " \\\n        '*::command:" : " \\\n        '*:word:";
  return text + action_of(wanted) + "' ;;\n";
}

}  // namespace

std::string zsh_completion() {
  std::string text = zsh_head;
  text +=
      "_tine() {\n"
      "  local -a globals verbs\n"
      "  globals=('--json[JSON on stdout]' '--no-autostart[start no daemon]' '--help[tell the options]'\n"
      "    '--socket[where the daemon listens]:PATH:_files' '--state-dir[its folder]:DIR:_files -/')\n"
      "  local curcontext=$curcontext state line\n"
      "  _arguments -C $globals '1:verb:->verb' '*::word:->word' && return\n"
      "  if [[ $state = verb ]]; then\n    verbs=(";
  const auto verbs = verb_texts();
  for (const auto& verb : verbs) {
    const auto* known = find_verb(verb.name);
    text += "\n      '" + verb.name + ":" + escaped(known->about) + "'";
  }
  text += ")\n    _describe verb verbs\n    return\n  fi\n  case $words[1] in\n";
  for (const auto& verb : verbs) text += specs_of(verb);
  return text +
         "  esac\n}\n\nif [[ $funcstack[1] = _tine ]]; then _tine \"$@\"; else compdef _tine tine; fi\n";
}

}  // namespace tine::cmd
