#include "cmd/print_json.hpp"
#include "cmd/print_table.hpp"
#include "cmd/shared_state.hpp"
#include "cmd/verbs/verbs.hpp"
#include "core/shared/catalogue.hpp"

namespace tine::cmd {

int doctor(Invocation& invocation) {
  Options options(invocation, "doctor",
                  "Looks whether every shared structure is whole. One that is not: exit 74.");
  if (const auto over = options.parse()) return *over;
  if (!options.free_words().empty())
    return fail_usage(invocation, "takes no word, not '" + std::string(options.free_words()[0]) + "'");
  const auto folder = shared_folder(invocation);
  if (!folder) return fail(invocation, folder.error());
  bool whole = true;
  std::vector<Row> rows{{"WHAT", "NAME", "STATE"}};
  for (const auto& [kind, name, trouble] : shared::check_all(*folder)) {
    whole = whole && trouble.empty();
    if (!invocation.json)
      rows.push_back({shared::kind_name(kind), name, trouble.empty() ? "whole" : trouble});
    const Json line = {{"kind", shared::kind_name(kind)},
                       {"name", name},
                       {"ok", trouble.empty()},
                       {"trouble", trouble.empty() ? Json() : Json(trouble)}};
    if (const int unwritten = invocation.json ? print_json(line) : 0) return unwritten;
  }
  if (const int unwritten = invocation.json ? 0 : print_text(table(rows))) return unwritten;
  return whole ? 0 : 74;
}

}  // namespace tine::cmd
