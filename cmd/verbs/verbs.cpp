#include "cmd/verbs/verbs.hpp"

#include <algorithm>
#include <vector>

namespace tine::cmd {
namespace {

constexpr Verb verbs[] = {
    {"run", run, "run a command in the foreground, through the daemon"},
    {"apply", run, ""},
    {"submit", submit, "queue a job and print its id"},
    {"apply-async", submit, ""},
    {"map", map, "call a function or a command for each line of stdin"},
    {"batch", batch, "queue many jobs, one JSON line each, all or none"},
    {"wait", wait, "wait until jobs have ended"},
    {"show", show, "print job records as JSON"},
    {"result", result, "print a function's result, or a command's stdout"},
    {"list", list, "list jobs, newest last"},
    {"logs", logs, "print the captured output of a job"},
    {"cancel", cancel, "never start a job, or end its whole process tree"},
    {"kill", kill, "send a signal to a job's main process"},
    {"hold", hold, "do not start a queued job"},
    {"release", release, "let a held job start"},
    {"pause", pause, "stop a running job's whole tree"},
    {"resume", resume, "let a paused job go on"},
    {"retry", retry, "queue ended jobs again, as new ones"},
    {"why", why, "what a job that is not running waits for"},
    {"clean", clean, "forget ended jobs and their logs"},
    {"events", events, "what has happened, as JSON lines"},
    {"pool", pool, "list, add, resize, pause, resume, close, open, join, terminate, remove pools"},
    {"array", array, "numbers in memory that all jobs share"},
    {"dict", dict, "values by key, likewise"},
    {"queue", queue, "values in order, likewise; with leases"},
    {"lock", lock, "hold a lock while a command runs, or for a job"},
    {"status", status, "pools, workers, and jobs by state (also: tine alone)"},
    {"ping", ping, "whether the daemon answers"},
    {"shutdown", shutdown, "end the daemon"},
    {"doctor", doctor, "look whether all that tine needs is there and whole"},
    {"metrics", metrics, "counts and gauges in the text format of Prometheus"},
    {"completion", completion, "a completion script for bash, zsh or fish"},
    {"manual", manual, ""},
};

std::size_t edits_between(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

const Verb* find_verb(std::string_view name) {
  const auto* found =
      std::find_if(std::begin(verbs), std::end(verbs), [&](const Verb& v) { return v.name == name; });
  return found == std::end(verbs) ? nullptr : found;
}

std::string did_you_mean(std::string_view name) {
  constexpr std::size_t edits_max = 2, name_bytes_max = 32;
  const Verb* nearest = nullptr;
  std::size_t fewest = edits_max + 1;
  for (const auto& verb : verbs) {
    const auto edits = name.size() > name_bytes_max ? edits_max + 1 : edits_between(name, verb.name);
    if (edits < fewest) nearest = &verb, fewest = edits;
  }
  if (nearest) return "did you mean " + std::string(nearest->name) + "?";
  std::string all = "allowed:";
  for (const auto& verb : verbs) all.append(" ").append(verb.name);
  return all;
}

std::vector<VerbText> verb_texts() {
  std::vector<VerbText> texts;
  for (const auto& verb : verbs) {
    if (verb.about.empty()) continue;
    VerbText text{std::string(verb.name), "", "", {}};
    Invocation invocation;
    invocation.verb = verb.name;
    invocation.describe = &text;
    verb.run(invocation);
    texts.push_back(std::move(text));
  }
  return texts;
}

std::string general_help() {
  std::string text =
      "tine - runs commands and functions in pools of workers\n\n"
      "Usage: tine [--socket PATH] [--state-dir DIR] [--json] [--no-autostart] VERB ...\n\nVerbs:\n";
  for (const auto& verb : verbs) {
    if (verb.about.empty()) continue;
    text.append("  ").append(verb.name).append(14 - verb.name.size(), ' ').append(verb.about).append("\n");
  }
  return text + "\ntine VERB --help tells a verb's options.\n";
}

}  // namespace tine::cmd
