#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>

#include "tests/support/test_daemon.hpp"

using namespace tine::test;

namespace {

using Words = std::vector<std::string>;

/// What bash offers for the last of these words, with the real script sourced.
Words offered(const TestDaemon& daemon, const std::string& words) {
  const auto finished = daemon.sh(
      "PATH=$(dirname \"$tine\"):$PATH bash -c '. <(tine completion bash)\n"
      "COMP_WORDS=(" +
      words +
      "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n"
      "_tine tine; printf \"%s\\n\" \"${COMPREPLY[@]}\"'");
  CHECK(finished.err == "");
  Words found;
  std::istringstream lines(finished.out);
  for (std::string line; std::getline(lines, line);)
    if (!line.empty()) found.push_back(line);
  return found;
}

bool has(const Words& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace

TEST_CASE("completion bash: verbs and subcommands and each verb's own options") {
  TestDaemon daemon;

  CHECK(offered(daemon, "tine sub") == Words{"submit"});
  CHECK(has(offered(daemon, "tine \"\""), "batch"));
  CHECK(has(offered(daemon, "tine --json --socket x \"\""), "wait"));
  CHECK(has(offered(daemon, "tine pool \"\""), "resize"));
  CHECK(offered(daemon, "tine dict inc") == Words{"incr"});
  CHECK(offered(daemon, "tine wait --ti") == Words{"--timeout"});
  CHECK(has(offered(daemon, "tine submit -"), "--callback"));
  CHECK(has(offered(daemon, "tine submit -"), "--json"));
  CHECK_FALSE(has(offered(daemon, "tine wait -"), "--callback"));
  CHECK(offered(daemon, "tine list --state succ") == Words{"succeeded"});
  CHECK(offered(daemon, "tine list --state = succ") == Words{"succeeded"});
  CHECK(offered(daemon, "tine submit --timeout \"\"").empty());
}

TEST_CASE("completion bash: ids and pools come from the daemon") {
  TestDaemon daemon;
  daemon.tine({"pool", "add", "night", "--size", "1"});
  for (int i = 0; i < 3; ++i) daemon.submit({"true"});

  CHECK(offered(daemon, "tine show \"\"") == Words{"last", "1", "2", "3"});
  CHECK(offered(daemon, "tine cancel 2") == Words{"2"});
  CHECK(offered(daemon, "tine submit -g ni") == Words{"night"});
  CHECK(has(offered(daemon, "tine pool resize \"\""), "default"));
}

TEST_CASE("completion bash: after a command's first word the files and programs") {
  TestDaemon daemon;
  write_whole_file(daemon.path("some-file"), "");

  CHECK(has(offered(daemon, "tine run -- unam"), "uname"));
  CHECK(offered(daemon, "tine run cat some-f") == Words{"some-file"});
  CHECK(offered(daemon, "tine batch some-f") == Words{"some-file"});
  CHECK(offered(daemon, "tine run ls -").empty());  // its options are not ours
}

TEST_CASE("completion: never starts a daemon") {
  DaemonSetup setup = without_a_daemon();
  TestDaemon daemon(setup);

  CHECK(offered(daemon, "tine show \"\"") == Words{"last"});
  CHECK(daemon.tine({"ping"}).exit_status == 69);
  CHECK(daemon.tine({"completion", "csh"}).exit_status == 2);
}

TEST_CASE("completion zsh and fish: understood by their shells where they are") {
  TestDaemon daemon;

  CHECK(daemon.sh("\"$tine\" completion zsh >_tine; command -v zsh >/dev/null || exit 0; zsh -n _tine")
            .exit_status == 0);
  CHECK(daemon.sh("\"$tine\" completion fish >t.fish; command -v fish >/dev/null || exit 0; fish -n t.fish")
            .exit_status == 0);
  const auto fish = daemon.sh(
      "command -v fish >/dev/null || { echo --timeout; exit; }\n"
      "PATH=$(dirname \"$tine\"):$PATH fish -c 'source t.fish; complete -C \"tine wait --ti\"'");
  CHECK(fish.out.find("--timeout") == 0);
  CHECK(read_whole_file(daemon.path("_tine")).find("#compdef tine\n") == 0);
  CHECK(daemon.sh("bash -c 'bash -n <(\"$tine\" completion bash)'").exit_status == 0);
}
