#pragma once
#include <string>
#include <vector>

#include "cmd/options.hpp"

/// What the completion scripts are made of, out of the verbs' own help.
namespace tine::cmd {

/// The words a verb's synopsis allows in its place: list, add, resize ... of "pool list | add NAME | resize
/// ...".
std::vector<std::string> subcommands_of(const VerbText& verb);

/// What an option's value, or a verb's free word, is.
enum class Wanted { nothing, anything, job, pool, state, signal, file, folder, command, shell };
Wanted wanted_by(const VerbText::Option& option);
/// Of the words after the verb's own options.
Wanted wanted_words(const VerbText& verb);
std::string name_of(Wanted wanted);

/// Of the option's names the short and the long one without their dashes, "" where there is none.
std::string short_name(const VerbText::Option& option);
std::string long_name(const VerbText::Option& option);

std::string bash_completion();
std::string zsh_completion();
std::string fish_completion();

}  // namespace tine::cmd
