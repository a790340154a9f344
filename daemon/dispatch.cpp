#include "daemon/dispatch.hpp"

#include <map>

namespace tine {

const Verb* find_verb(std::string_view method) {
  static const std::map<std::string_view, Verb> table = {
      {"ping", {verbs::ping}},
      {"status", {verbs::status, Pace::soon}},
      {"metrics", {verbs::metrics}},
      {"submit", {verbs::submit, Pace::soon}},
      {"batch", {verbs::batch, Pace::soon}},
      {"run", {verbs::run, Pace::waits}},
      {"wait", {verbs::wait, Pace::waits}},
      {"call", {verbs::call, Pace::called}},
      {"map", {verbs::map}},
      {"map.items", {verbs::map_items}},
      {"map.end", {verbs::map_end, Pace::waits}},
      {"show", {verbs::show, Pace::soon}},
      {"list", {verbs::list, Pace::soon}},
      {"logs", {verbs::logs, Pace::soon}},
      {"cancel", {verbs::cancel, Pace::soon}},
      {"kill", {verbs::kill, Pace::soon}},
      {"hold", {verbs::hold, Pace::soon}},
      {"release", {verbs::release, Pace::soon}},
      {"pause", {verbs::pause, Pace::soon}},
      {"resume", {verbs::resume, Pace::soon}},
      {"retry", {verbs::retry, Pace::soon}},
      {"why", {verbs::why, Pace::soon}},
      {"clean", {verbs::clean, Pace::soon}},
      {"events", {verbs::events, Pace::waits}},
      {"shutdown", {verbs::shutdown, Pace::waits}},
      {"pool.list", {verbs::pool_list}},
      {"pool.add", {verbs::pool_add, Pace::soon}},
      {"pool.resize", {verbs::pool_resize, Pace::soon}},
      {"pool.close", {verbs::pool_close, Pace::soon}},
      {"pool.open", {verbs::pool_open, Pace::soon}},
      {"pool.pause", {verbs::pool_pause, Pace::soon}},
      {"pool.resume", {verbs::pool_resume, Pace::soon}},
      {"pool.remove", {verbs::pool_remove, Pace::soon}},
      {"pool.join", {verbs::pool_join, Pace::waits}},
      {"pool.terminate", {verbs::pool_terminate, Pace::waits}},
  };
  const auto found = table.find(method);
  return found == table.end() ? nullptr : &found->second;
}

}  // namespace tine
