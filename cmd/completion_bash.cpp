#include "cmd/completion_words.hpp"
#include "cmd/verbs/verbs.hpp"

namespace tine::cmd {
namespace {

/// Bash itself knows how; the tables above it are made here. `COMP_WORDBREAKS` has '=', so that --pool=x
/// comes as three words.
constexpr const char* engine = R"SH(
_tine_ask() {  # VERB...: rows without their head; a daemon is asked, never started
  TINE_AUTOSTART=0 command "${tine[@]}" "$@" --no-autostart 2>/dev/null | {
    read -r _ || return 0
    while IFS=' ' read -r word _; do printf '%s\n' "$word"; done
  }
}

_tine_values() {  # KIND
  case $1 in
    job) printf '%s\n' last; _tine_ask list --columns id --limit 200 ;;
    pool) _tine_ask pool list ;;
    state) printf '%s\n' waiting held queued running succeeded failed timed_out cancelled lost ;;
    signal) printf '%s\n' TERM KILL INT HUP QUIT USR1 USR2 STOP CONT ;;
    shell) printf '%s\n' bash zsh fish ;;
    file) compgen -f -- "$current" ;;
    folder) compgen -d -- "$current" ;;
    command) compgen -c -- "$current" ;;
  esac
}

_tine() {
  local current=${COMP_WORDS[COMP_CWORD]} tine=("${COMP_WORDS[0]}") verb= kind= word= option at=1 free=0
  local globals=' --json:flag --no-autostart:flag --help:flag --socket:file --state-dir:folder'
  [ "$current" = = ] && current=
  COMPREPLY=()
  # The words so far: which verb, how many words of its own, whose value is wanted now.
  while [ "$at" -lt "$COMP_CWORD" ]; do
    word=${COMP_WORDS[at]}
    at=$((at + 1))
    if [ "$word" = = ]; then continue; fi
    if [ -n "$kind" ]; then  # it was a value
      case $option in --socket | --state-dir) tine+=("$option" "$word") ;; esac
      kind=
      continue
    fi
    case $word in
      --)
        [ "$(_tine_words "$verb")" = command ] && { _tine_command "$at"; return; }
        continue ;;
      -*)
        option=$word
        for word in $(_tine_options "$verb") $globals; do
          [ "${word%%:*}" = "$option" ] && [ "${word##*:}" != flag ] && kind=${word##*:}
        done ;;
      *)
        if [ -z "$verb" ]; then verb=$word; continue; fi
        [ "$(_tine_words "$verb")" = command ] && { _tine_command "$((at - 1))"; return; }
        free=$((free + 1)) ;;
    esac
  done
  local IFS=$'\n' choices=
  if [ -n "$kind" ]; then
    choices=$(_tine_values "$kind")
  elif [[ $current == -* ]]; then
    IFS=$' \n'
    for word in $(_tine_options "$verb") $globals; do choices+=${word%%:*}$'\n'; done
    IFS=$'\n'
  elif [ -z "$verb" ]; then
    choices=$(_tine_verbs)
  elif [ "$free" = 0 ] && [ -n "$(_tine_subcommands "$verb")" ]; then
    choices=$(_tine_subcommands "$verb")
  else
    choices=$(_tine_values "$(_tine_words "$verb")")
  fi
  # shellcheck disable=SC2207  # a line a word
  COMPREPLY=($(compgen -W "$choices" -- "$current"))
  case $kind in file | folder) compopt -o filenames 2>/dev/null ;; esac
  return 0
}

_tine_command() {  # AT: a command of its own begins at this word
  if declare -F _command_offset >/dev/null; then
    _command_offset "$1"
  elif [ "$COMP_CWORD" = "$1" ]; then
    mapfile -t COMPREPLY < <(compgen -c -- "$current")
  else
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  fi
}

complete -F _tine tine
)SH";

std::string words_with_kinds(const VerbText& verb) {
  std::string text;
  for (const auto& option : verb.options) {
    const auto kind = ":" + name_of(wanted_by(option));
    if (!short_name(option).empty()) text += " -" + short_name(option) + kind;
    if (!long_name(option).empty()) text += " --" + long_name(option) + kind;
  }
  return text;
}

/// A function of bash that prints, for each verb, what `line` says.
template <class Line>
std::string table(const char* name, const std::vector<VerbText>& verbs, Line line) {
  std::string text = std::string(name) + "() {\n  case $1 in\n";
  for (const auto& verb : verbs) {
    const std::string words = line(verb);
    if (!words.empty()) text += "    " + verb.name + ") printf '%s\\n'" + words + " ;;\n";
  }
  return text + "  esac\n}\n";
}

}  // namespace

std::string bash_completion() {
  const auto verbs = verb_texts();
  std::string text = "# shellcheck shell=bash\n_tine_verbs() {\n  printf '%s\\n'";
  for (const auto& verb : verbs) text += " " + verb.name;
  text += "\n}\n";
  text += table("_tine_options", verbs, words_with_kinds);
  text += table("_tine_subcommands", verbs, [](const VerbText& verb) {
    std::string words;
    for (const auto& word : subcommands_of(verb)) words += " " + word;
    return words;
  });
  text += table("_tine_words", verbs, [](const VerbText& verb) { return " " + name_of(wanted_words(verb)); });
  return text + engine;
}

}  // namespace tine::cmd
