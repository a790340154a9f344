#include "cmd/terminal.hpp"

#include <unistd.h>

#include <cstdlib>

namespace tine::cmd {

bool may_colour() {
  const char* refused = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  if (refused && *refused) return false;
  return ::isatty(1) && !(terminal && std::string_view(terminal) == "dumb");
}

std::string coloured_state(std::string cell, std::string_view state, bool is_coloured) {
  const char* colour = "";
  if (state == "succeeded" || state == "open") colour = "\033[32m";
  if (state == "failed" || state == "timed_out" || state == "lost" || state == "closed") colour = "\033[31m";
  if (state == "running" || state == "cancelled") colour = "\033[33m";
  if (!is_coloured || !*colour) return cell;
  return colour + cell + "\033[0m";
}

}  // namespace tine::cmd
