#include "cmd/print_json.hpp"
#include "cmd/roff.hpp"
#include "cmd/verbs/verbs.hpp"
#include "core/base/file.hpp"

namespace tine::cmd {
namespace {

constexpr std::pair<const char*, const char*> exit_codes[] = {
    {"0", "done; for run, wait, submit --wait, batch --wait, map: every job succeeded"},
    {"the job's own",
     "run, and wait or submit --wait of one job: its exit code; 128+N if signal N ended it; 124 timed out; "
     "143 "
     "cancelled; 125 lost, or ended by a dependency; 1 a function that failed"},
    {"1", "of several jobs one did not succeed; a value or job that was asked for is absent"},
    {"2", "wrong usage or value"},
    {"69", "no daemon to be reached, or lost in the middle of the request"},
    {"73", "cannot create"},
    {"74", "input or output error: a full disk, an unreadable file"},
    {"75", "refused for now: a closed pool, a full queue, a lock that is not free in time"},
    {"77", "not permitted"},
    {"124, 125, 126, 127", "timed out; tine itself failed; found but cannot be run; not found"},
};

constexpr std::pair<const char*, const char*> variables[] = {
    {"TINE_STATE_DIR, TINE_SOCKET, TINE_CONFIG", "other places than the usual ones; see tined(8)"},
    {"TINE_AUTOSTART", "0: never start a daemon"},
    {"NO_COLOR", "if it is set and not empty: no colours on a terminal either"},
    {"TINE_JOB_ID, TINE_ATTEMPT, TINE_POOL, TINE_SLOT", "in a job: what it is, and where it runs"},
};

std::string option_term(const VerbText::Option& option) {
  std::string names = option.names;
  if (const auto comma = names.find(','); comma != std::string::npos) names.insert(comma + 1, " ");
  return option.placeholder.empty() ? names : names + " " + option.placeholder;
}

std::string tine_page() {
  std::string page = roff::head("tine", 1, "tine " TINE_VERSION);
  page += roff::section("NAME") + ".PP\ntine \\- runs commands and functions in pools of workers\n";
  page += roff::section("SYNOPSIS") +
          roff::paragraph("tine [--socket PATH] [--state-dir DIR] [--json] [--no-autostart] VERB ...");
  page +=
      roff::section("DESCRIPTION") +
      roff::paragraph(
          "tine asks tined(8) to run commands and functions, and tells what became of them. Where no daemon "
          "listens it starts one. Data goes to stdout, what is said to a person goes to stderr; with --json "
          "stdout is JSON alone, one value a line. tine without a verb is tine status.");
  page += roff::paragraph(
      "SEL is a job's id, a range 12-111, or last. A duration is 500ms 30s 5m 2h 1d, or seconds; a size is "
      "64K 10M 2G, "
      "or bytes.");
  page += roff::section("VERBS");
  for (const auto& verb : verb_texts()) {
    page += ".SS " + roff::plain(verb.name) + "\n" + roff::paragraph("tine " + verb.synopsis) +
            roff::paragraph(verb.about);
    for (const auto& option : verb.options) page += roff::item(option_term(option), option.help);
  }
  page += roff::section("EXIT STATUS");
  for (const auto& [code, meaning] : exit_codes) page += roff::item(code, meaning);
  page += roff::section("ENVIRONMENT");
  for (const auto& [name, meaning] : variables) page += roff::item(name, meaning);
  return page + roff::section("SEE ALSO") + roff::paragraph("tined(8), tined.json(5)");
}

/// The file with every key is its own manual: the comment above a key tells it.
std::string config_page(const std::string& file) {
  std::string page = roff::head("tined.json", 5, "tine " TINE_VERSION);
  page += roff::section("NAME") + ".PP\ntined.json \\- the configuration of tined\n";
  std::string comment, keys;
  bool in_object = false;
  for (std::string_view rest = file; !rest.empty();) {
    auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    if (line.starts_with("//")) {
      line.remove_prefix(std::min<std::size_t>(line.size(), 3));
      comment.append(line).append("\n");
    } else if (line == "{" && !in_object) {
      in_object = true;
      page += roff::section("DESCRIPTION") + roff::paragraph(comment);
      comment.clear();
    } else if (line.starts_with('"') && in_object) {
      if (line.ends_with(',')) line.remove_suffix(1);
      // Lines of one value that have no comment of their own belong to the key above.
      if (comment.empty())
        keys += ".br\n" + roff::plain(line) + "\n";
      else
        keys += roff::item(line, comment);
      comment.clear();
    }
  }
  page += roff::section("KEYS") + keys;
  return page + roff::section("SEE ALSO") + roff::paragraph("tined(8), tine(1)");
}

}  // namespace

int manual(Invocation& invocation) {
  Options options(invocation, "manual tine | tined.json FILE", "Prints a man page's source; for the build.");
  if (const auto over = options.parse()) return *over;
  const auto& words = options.free_words();
  if (words.size() == 1 && words[0] == "tine") return print_text(tine_page());
  if (words.size() != 2 || words[0] != "tined.json")
    return fail_usage(invocation, "allowed: tine, or tined.json FILE");
  const auto file = read_file(std::string(words[1]));
  if (!file) return fail(invocation, make_error(Errc::io, file.error().message()));
  return print_text(config_page(*file));
}

}  // namespace tine::cmd
