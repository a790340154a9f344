#include "cmd/completion_words.hpp"
#include "cmd/verbs/verbs.hpp"

namespace tine::cmd {
namespace {

constexpr const char* fish_head = R"SH(# Rows without their head; a daemon is asked, never started.
function __tine_ask
    TINE_AUTOSTART=0 command tine $argv --no-autostart 2>/dev/null | sed 1d
end
function __tine_job
    echo last
    __tine_ask list --columns id --limit 200
end
function __tine_pool
    __tine_ask pool list | string replace -r ' .*' ''
end
function __tine_verb
    set -l words (commandline -opc)
    set -e words[1]
    while set -q words[1]
        switch $words[1]
            case --socket --state-dir
                set -e words[1]
            case '-*'
            case '*'
                echo $words[1]
                return
        end
        set -e words[1]
    end
    return 1
end
function __tine_is
    set -l verb (__tine_verb); and test "$verb" = $argv[1]
end
complete -c tine -f
complete -c tine -l json -d 'JSON on stdout'
complete -c tine -l no-autostart -d 'start no daemon'
complete -c tine -l help -d 'tell the options'
complete -c tine -l socket -r -F -d 'where the daemon listens'
complete -c tine -l state-dir -x -a '(__fish_complete_directories)' -d 'its folder'
)SH";

std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

std::string values_of(Wanted wanted) {
  switch (wanted) {
    case Wanted::job:
      return "(__tine_job)";
    case Wanted::pool:
      return "(__tine_pool)";
    case Wanted::state:
      return "waiting held queued running succeeded failed timed_out cancelled lost";
    case Wanted::signal:
      return "TERM KILL INT HUP QUIT USR1 USR2 STOP CONT";
    case Wanted::shell:
      return "bash zsh fish";
    case Wanted::folder:
      return "(__fish_complete_directories)";
    case Wanted::command:
      return "(__fish_complete_subcommand)";
    case Wanted::file:
    case Wanted::anything:
    case Wanted::nothing:
      break;
  }
  return "";
}

std::string lines_of(const VerbText& verb) {
  const std::string when = "complete -c tine -n '__tine_is " + verb.name + "'";
  std::string text;
  for (const auto& option : verb.options) {
    text += when;
    if (!short_name(option).empty()) text += " -s " + short_name(option);
    if (!long_name(option).empty()) text += " -l " + long_name(option);
    const auto wanted = wanted_by(option);
    if (wanted == Wanted::file) text += " -r -F";
    if (wanted != Wanted::file && wanted != Wanted::nothing) text += " -x";
    if (const auto values = values_of(wanted); !values.empty()) text += " -a " + quoted(values);
    text += " -d " + quoted(option.help) + "\n";
  }
  for (const auto& word : subcommands_of(verb)) text += when + " -a " + word + "\n";
  const auto wanted = wanted_words(verb);
  if (wanted == Wanted::file) text += when + " -F\n";
  if (const auto values = values_of(wanted); !values.empty()) text += when + " -a " + quoted(values) + "\n";
  return text;
}

}  // namespace

std::string fish_completion() {
  std::string text = fish_head;
  const auto verbs = verb_texts();
  for (const auto& verb : verbs)
    text += "complete -c tine -n 'not __tine_verb >/dev/null' -a " + verb.name + " -d " +
            quoted(find_verb(verb.name)->about) + "\n";
  for (const auto& verb : verbs) text += lines_of(verb);
  return text;
}

}  // namespace tine::cmd
