#pragma once
#include <string>
#include <string_view>

#include "cmd/options.hpp"

namespace tine::cmd {

/// Each returns tine's exit code and has told its own errors.
int run(Invocation&);
int submit(Invocation&);
int wait(Invocation&);
int show(Invocation&);
int result(Invocation&);
int list(Invocation&);
int logs(Invocation&);
int cancel(Invocation&);
int kill(Invocation&);
int hold(Invocation&);
int release(Invocation&);
int pause(Invocation&);
int resume(Invocation&);
int retry(Invocation&);
int why(Invocation&);
int clean(Invocation&);
int events(Invocation&);
int status(Invocation&);
int map(Invocation&);
int batch(Invocation&);
int pool(Invocation&);
int ping(Invocation&);
int shutdown(Invocation&);
int array(Invocation&);
int dict(Invocation&);
int queue(Invocation&);
int lock(Invocation&);
int doctor(Invocation&);
int metrics(Invocation&);
int completion(Invocation&);
int manual(Invocation&);  ///< the source of the man pages, for the build

struct Verb {
  std::string_view name;
  int (*run)(Invocation&);
  std::string_view about;  ///< "": an alias
};
const Verb* find_verb(std::string_view name);  ///< null: there is none

std::string general_help();
/// Of all verbs but aliases and what is for builds alone, in the order of the help.
std::vector<VerbText> verb_texts();
/// "did you mean X?", or all that is allowed when nothing is near.
std::string did_you_mean(std::string_view name);

}  // namespace tine::cmd
