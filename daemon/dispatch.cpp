#include "daemon/dispatch.hpp"

#include <map>

namespace tine {

const Verb* find_verb(std::string_view method) {
  static const std::map<std::string_view, Verb> table = {
      {"ping", {verbs::ping}},
      {"status", {verbs::status, true}},
      {"submit", {verbs::submit, true}},
      {"batch", {verbs::batch, true}},
      {"run", {verbs::run, true}},
      {"wait", {verbs::wait, true}},
      {"show", {verbs::show, true}},
      {"list", {verbs::list, true}},
      {"logs", {verbs::logs, true}},
      {"cancel", {verbs::cancel, true}},
      {"kill", {verbs::kill, true}},
      {"shutdown", {verbs::shutdown, true}},
      {"pool.list", {verbs::pool_list}},
      {"pool.add", {verbs::pool_add, true}},
      {"pool.resize", {verbs::pool_resize, true}},
      {"pool.close", {verbs::pool_close, true}},
      {"pool.open", {verbs::pool_open, true}},
      {"pool.join", {verbs::pool_join, true}},
      {"pool.terminate", {verbs::pool_terminate, true}},
  };
  const auto found = table.find(method);
  return found == table.end() ? nullptr : &found->second;
}

}  // namespace tine
