#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"

/// The command line of one verb. Words are taken as they are: a job's argument that looks like an option, a
/// list or nothing at all goes through untouched.
namespace tine::cmd {

using Words = std::vector<std::string_view>;  ///< into argv, which outlives all

/// A verb as its --help tells it: for the completions and the manual.
struct VerbText {
  struct Option {
    std::string names;        ///< "-n,--name"
    std::string placeholder;  ///< "": a flag
    std::string help;
  };
  std::string name, synopsis, about;
  std::vector<Option> options;
};

/// What was asked for, before the verb has looked at its own options.
struct Invocation {
  std::string verb;       ///< as the user typed it; with its subcommand ("pool add") once that is known
  Words words;            ///< what follows the verb, --socket, --json … taken out as they are found
  std::string socket;     ///< --socket, "": not given
  std::string state_dir;  ///< --state-dir, "": not given
  bool json = false;
  bool may_autostart = true;
  VerbText* describe = nullptr;  ///< fill this in, and do nothing else
};

/// Takes the options that go before the verb off `words`, then the verb. An exit code: that was all
/// (--help, --version, an error already told).
std::optional<int> parse_globals(Words words, Invocation& invocation);

/// The options of one verb: declare them, then parse() fills their targets.
class Options {
 public:
  Options(Invocation& invocation, std::string synopsis, std::string about)
      : invocation_(invocation), synopsis_(std::move(synopsis)), about_(std::move(about)) {}

  /// `names`: "-n,--name". The last of several wins.
  void flag(const char* names, bool& target, const char* help);
  void value(const char* names, const char* placeholder, std::optional<std::string_view>& target,
             const char* help);
  void values(const char* names, const char* placeholder, Words& target, const char* help);

  /// The first word that is no option ends the options: the rest is a command.
  void stop_at_first_word() { stops_at_first_word_ = true; }

  /// "-5" and "-.5" are words, not options.
  void numbers_are_words() { numbers_are_words_ = true; }

  /// An exit code: the verb is over (help, or an error already told).
  std::optional<int> parse();
  /// The same for a verb that takes no word.
  std::optional<int> parse_without_words();

  /// The words that are no options, exactly as given: a command, selectors, names.
  const Words& free_words() const { return free_words_; }

 private:
  struct Definition {
    const char* names;
    const char* placeholder;  ///< null: a flag
    const char* help;
    bool* set;
    std::optional<std::string_view>* one;
    Words* many;
  };
  struct Scan;

  const Definition* find(std::string_view name) const;
  Status scan(Scan& scan);
  Status scan_long(Scan& scan, std::string_view word);
  Status scan_short(Scan& scan, std::string_view word);
  static void take(const Definition& definition, std::string_view value);
  std::string help() const;
  void describe(VerbText& text) const;
  Error unknown(std::string_view name) const;

  Invocation& invocation_;
  std::string synopsis_, about_;
  std::vector<Definition> definitions_;
  Words free_words_;
  bool stops_at_first_word_ = false;
  bool numbers_are_words_ = false;
};

/// Tells a person on stderr, "tine VERB: what", and returns the exit code.
int fail(const Invocation& invocation, const Error& error);
int fail_usage(const Invocation& invocation, std::string what);

}  // namespace tine::cmd
