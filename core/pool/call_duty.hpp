#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/pool/call_ring.hpp"
#include "core/pool/functions.hpp"
#include "core/pool/output_files.hpp"

namespace tine {

/// A worker's turn at a call ring: it answers what lies there until the caller lets it go.
struct CallDuty {
  std::uint64_t id = 0;
  std::uint32_t seat = 0;  ///< in the ring
  std::string function;    ///< each call's arguments are its JSON array; "": a call is NAME NUL ARRAY
  /// Or: words with the placeholders of core/base/placeholders.hpp for the call's text. With {#} among them a
  /// call is its number, a blank, the text.
  std::vector<std::string> command;
  bool is_text = false;       ///< a call's text is a string, not JSON
  bool is_star = false;       ///< a call's text is the array of the arguments, not the one argument
  bool keeps_errors = false;  ///< a command's stderr is captured, too; else it goes to the caller's
  std::string pool;
  std::string environment;  ///< K=V, each ended by NUL
  std::string cwd = "/";
  std::uint32_t umask = 022;
};

std::string encode(const CallDuty& duty);
bool decode(std::string_view bytes, CallDuty& duty);

/// What a worker lends to its duty.
struct DutyPlace {
  const Functions& functions;
  OutputFiles& output;
  const std::string& socket_path;
  std::uint32_t slot = 0;
  std::uint64_t open_files_soft = 0;  ///< as commands get it
  int null = -1;                      ///< /dev/null
  int daemon = -1;                    ///< our socket to the daemon: its end is the end of this process
  int errors = -1;                    ///< the caller's stderr: what functions print, too
};

/// A request's code is its deadline in nanoseconds of the steady clock, or 0: it is not begun after that.
/// Returns when the caller has let the worker go. Answers are: for a function `value` with its JSON or
/// `error` with {type, message} as ByteWriter strings; for a command always `value`, with encode(Outcome).
/// The caller's death ends this process at once, and with it what it runs.
void serve_calls(const CallDuty& duty, CallRing& ring, const DutyPlace& place);

}  // namespace tine
