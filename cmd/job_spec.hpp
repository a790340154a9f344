#pragma once
#include <optional>
#include <string>

#include "cmd/options.hpp"
#include "core/base/result.hpp"
#include "core/base/unique_fd.hpp"
#include "ipc/wire_text.hpp"

namespace tine::cmd {

/// The SPEC of run and submit, as words.
struct SpecWords {
  std::optional<std::string_view> name, pool, priority, workdir, timeout, kill_after, callback, shell,
      function, args;
  std::optional<std::string_view> stdin_from;  ///< submit alone sends it; run opens it itself
  std::optional<std::string_view> retries, retry_delay, backoff, delay, at, after, dependency, array, unique,
      on_duplicate, idempotency_key, slots, max_output, max_memory, nice;
  Words env, labels;
  bool clean_env = false;
};

void declare(Options& options, SpecWords& words);

/// The params of submit and run, without stdin and surroundings; `command`: the free words.
/// Errors: Errc::usage, saying what is allowed; the params are then of no use.
Status put_spec(ipc::ObjectText& params, const SpecWords& words, const Words& command);

/// An --at as RFC 3339: a person's time is in the zone of who writes it. Errors: Errc::usage.
Result<std::string> start_time(std::string_view text);

/// The folder we are in; "/" where it was removed.
std::string current_folder();

/// The "environment" (PATH alone with `clean_env`), "cwd" and "umask" of this process.
void put_surroundings(ipc::ObjectText& params, bool clean_env);

/// Opens a --stdin FILE. Errors: Errc::io, for a folder too.
Result<UniqueFd> open_stdin_file(std::string_view path);

/// Copies our stdin to a file of its own under `state_dir`, on disk when this returns. Its path.
/// Errors: Errc::io; errno.
Result<std::string> spool_stdin(const std::string& state_dir);

}  // namespace tine::cmd
