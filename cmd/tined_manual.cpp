#include "cmd/tined_manual.hpp"

#include <CLI/CLI.hpp>

#include "cmd/roff.hpp"

namespace tine {

std::string tined_manual(const CLI::App& app) {
  std::string page = roff::head("tined", 8, "tine " TINE_VERSION);
  page += roff::section("NAME") + ".PP\ntined \\- the daemon of tine, a task runner\n";
  page += roff::section("SYNOPSIS") + roff::paragraph("tined [OPTION...]");
  page +=
      roff::section("DESCRIPTION") +
      roff::paragraph(
          "tined keeps pools of forked workers and gives them the jobs that tine(1) brings. It stays in the "
          "foreground unless asked otherwise, and logs to stderr, or to tined.log in the state dir with "
          "--daemonize. What jobs print never comes into the log. There is no need to start it: tine does.");
  page += roff::section("OPTIONS");
  for (const auto* option : app.get_options()) {
    if (option->get_group().empty()) continue;  // for tine itself
    std::string names = option->get_name(false, true);
    if (const auto comma = names.find(','); comma != std::string::npos) names.insert(comma + 1, " ");
    if (option->get_expected_max() > 0) names += " " + option->get_type_name();
    page += roff::item(names, option->get_description());
  }
  page += roff::section("SIGNALS");
  page +=
      roff::item("TERM, INT",
                 "Start no more jobs, wait for the running ones as long as the config's drain_timeout says, "
                 "cancel the rest, end. A second INT cancels at once. Queued jobs stay for the next start.");
  page +=
      roff::item("QUIT", "End at once; the workers go on with their jobs, and the next start adopts them.");
  page += roff::section("FILES");
  page += roff::item("/var/lib/tine, ~/.local/state/tine",
                     "The state dir, for root and for others: $TINE_STATE_DIR or --state-dir names another. "
                     "Not on a network file system; one daemon each.");
  page += roff::item("tine.sock, in the state dir", "The socket: $TINE_SOCKET or --socket names another.");
  page +=
      roff::item("/etc/tine/tined.json, ~/.config/tine/tined.json",
                 "The configuration, for root and for others: $TINE_CONFIG or --config names another. See "
                 "tined.json(5).");
  page += roff::section("EXIT STATUS");
  for (const auto& [code, meaning] :
       {std::pair{"0", "ended as it was told to"}, std::pair{"2", "a wrong option, or a wrong configuration"},
        std::pair{"73", "a foreign file is in the socket's place"}, std::pair{"74", "the disk is full"},
        std::pair{"77", "the state dir is another user's"},
        std::pair{"100", "a daemon of this state dir runs already; nothing was touched"}})
    page += roff::item(code, meaning);
  return page + roff::section("SEE ALSO") + roff::paragraph("tine(1), tined.json(5)");
}

}  // namespace tine
