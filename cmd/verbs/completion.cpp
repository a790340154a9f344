#include "cmd/completion_words.hpp"
#include "cmd/print_json.hpp"
#include "cmd/verbs/verbs.hpp"

namespace tine::cmd {

int completion(Invocation& invocation) {
  Options options(
      invocation, "completion bash|zsh|fish",
      "Prints a completion script. bash: source <(tine completion bash); zsh: tine completion zsh into "
      "a file _tine on fpath; fish: tine completion fish | source.");
  if (const auto over = options.parse()) return *over;
  const auto& words = options.free_words();
  if (words.size() == 1 && words[0] == "bash") return print_text(bash_completion());
  if (words.size() == 1 && words[0] == "zsh") return print_text(zsh_completion());
  if (words.size() == 1 && words[0] == "fish") return print_text(fish_completion());
  return fail_usage(invocation, "allowed: one of bash, zsh, fish");
}

}  // namespace tine::cmd
