#include "cmd/job_spec.hpp"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>

#include "core/base/clock.hpp"
#include "core/base/file.hpp"
#include "core/base/json_depth.hpp"
#include "core/base/limits.hpp"
#include "core/base/quantity.hpp"
#include "core/base/text.hpp"
#include "core/base/wall_time.hpp"

namespace tine::cmd {
namespace {

using ipc::Json;

Error of_option(const char* option, const Error& error) {
  return make_error(Errc::usage, std::string(option) + ": " + error.message());
}

Result<Json> parse_args(std::string_view text) {
  // Here too: before it is sent, it is parsed.
  if (json_too_deep_at(text))
    return make_error(Errc::usage,
                      "--args is nested too deep; allowed: depth " + std::to_string(limits::json_depth_max));
  auto args = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!args.is_array())
    return make_error(Errc::usage, "--args is not a JSON array; allowed: the arguments, as '[1, \"two\"]'");
  return args;
}

/// What the job runs: exactly one of the three.
Status put_body(ipc::ObjectText& params, const SpecWords& words, const Words& command) {
  const int given = !command.empty() + words.shell.has_value() + words.function.has_value();
  if (given != 1)
    return make_error(
        Errc::usage, std::string(given ? "more than one thing" : "nothing") +
                         " to run; allowed: one of -- CMD ARG..., --shell 'STRING', --fn NAME [--args JSON]");
  if (words.args && !words.function)
    return make_error(Errc::usage, "--args is given without --fn; allowed: with --fn NAME");
  if (words.shell) params.wire("shell", *words.shell);
  if (!command.empty()) params.wires("command", command);
  if (!words.function) return ok();
  params.wire("function", *words.function);
  const auto args = words.args ? parse_args(*words.args) : Json::array();
  if (!args) return args.error();
  params.member("args") += args->dump();
  return ok();
}

Status put_pairs(ipc::ObjectText& params, const char* option, const char* key, const Words& pairs) {
  if (pairs.empty()) return ok();
  ipc::ObjectText object(params.member(key));
  for (const auto pair : pairs) {
    const auto equals = pair.find('=');
    if (equals == std::string_view::npos || equals == 0 || !is_utf8(pair.substr(0, equals)))
      return make_error(Errc::usage,
                        std::string(option) + " " + std::string(pair) + " is no pair; allowed: K=V");
    object.wire(pair.substr(0, equals), pair.substr(equals + 1));
  }
  object.end();
  return ok();
}

Status put_duration(ipc::ObjectText& params, const char* option, const char* key,
                    const std::optional<std::string_view>& text) {
  if (!text) return ok();
  const auto seconds = parse_duration_s(*text);
  if (!seconds) return of_option(option, seconds.error());
  params.number(key, *seconds);
  return ok();
}

void put_text(ipc::ObjectText& params, const char* key, const std::optional<std::string_view>& text) {
  if (text) params.wire(key, *text);
}

Status sync_and_name(int fd, const std::string& folder) {
  if (::fsync(fd) < 0) return errno_error("sync a file in " + folder);
  const UniqueFd opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened || ::fsync(opened.get()) < 0) return errno_error("sync " + folder);
  return ok();
}

Status copy_stdin(int to) {
  char chunk[65536];
  for (;;) {
    const auto got = ::read(0, chunk, sizeof chunk);
    if (got == 0) return ok();
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return make_error(Errc::io, errno_error("read stdin").message());
    if (const auto written = write_all(to, std::string_view(chunk, static_cast<std::size_t>(got))); !written)
      return written;
  }
}

}  // namespace

Result<std::string> start_time(std::string_view text) {
  const auto time = parse_wall_time(text, now_micros());
  if (!time) return time.error();
  return rfc3339(*time);
}

std::string current_folder() {
  char path[4096];
  // A folder that was removed: the job will run in the root, as if tined had been asked without a cwd.
  return ::getcwd(path, sizeof path) ? path : "/";
}

void declare(Options& options, SpecWords& words) {
  options.value("-n,--name", "TEXT", words.name, "a name for the job");
  options.value("-g,--pool", "POOL", words.pool, "the pool it runs in (default)");
  options.value("--priority", "N", words.priority, "higher first (0)");
  options.value("-w,--workdir", "DIR", words.workdir, "the folder it runs in (this one)");
  options.values("-e,--env", "K=V", words.env, "a variable on top of this environment; several");
  options.flag("--clean-env", words.clean_env, "of this environment give it PATH alone");
  options.value("--stdin", "FILE|-", words.stdin_from, "its stdin; -: what we read from ours (/dev/null)");
  options.values("--label", "K=V", words.labels, "a label to list by; several");
  options.value("-t,--timeout", "D", words.timeout, "end it after D: 500ms 30s 5m 2h 1d");
  options.value("--kill-after", "D", words.kill_after, "from TERM to KILL (10s)");
  options.value("--retries", "N", words.retries, "more attempts when it fails, times out or is lost (0)");
  options.value("--retry-delay", "D", words.retry_delay, "before each of them (0)");
  options.value("--backoff", "F", words.backoff, "each such delay is F times the one before (1)");
  options.value("--delay", "D", words.delay, "do not start it before D has passed");
  options.value("--at", "TIME", words.at,
                "nor before TIME: 18:30, tomorrow 06:00, 2026-11-24 18:30, RFC 3339");
  options.value("--after", "ID[,ID]", words.after, "start it when these have succeeded");
  options.value("--dependency", "LIST", words.dependency,
                "afterok:1:2,afterany:3,afternotok:4: when these have ended so");
  options.value("--array", "0-99[:STEP][%MAX]", words.array, "one job for each index, at most MAX at once");
  options.value("--unique", "KEY", words.unique, "at most one job of this key runs at a time");
  options.value("--on-duplicate", "WORD", words.on_duplicate,
                "where there is one: skip, queue, replace or error (skip)");
  options.value("--idempotency-key", "KEY", words.idempotency_key,
                "one job for this key, however often it is sent");
  options.value("--slots", "N", words.slots, "how many of its pool's slots it takes (1)");
  options.value("--max-output", "SIZE", words.max_output, "keep so much of each stream: 64K 10M 2G");
  options.value("--max-memory", "SIZE", words.max_memory,
                "of the job, or of each of its processes: tine doctor says which");
  options.value("--nice", "N", words.nice, "-20 to 19, higher gives way (0)");
  options.value("--callback", "SHELL STRING", words.callback,
                "run when it has ended, the record on its stdin");
  options.value("--shell", "STRING", words.shell, "run /bin/sh -c STRING instead of a command");
  options.value("--fn", "NAME", words.function, "call a function instead of a command");
  options.value("--args", "JSON", words.args, "the function's arguments: a JSON array");
  options.stop_at_first_word();
}

Status put_spec(ipc::ObjectText& params, const SpecWords& words, const Words& command) {
  if (const auto put = put_body(params, words, command); !put) return put;
  put_text(params, "name", words.name);
  put_text(params, "pool", words.pool);
  put_text(params, "callback", words.callback);
  if (words.workdir) params.wire("workdir", absolute_path(std::string(*words.workdir), current_folder()));
  if (words.priority) {
    const auto priority = parse_integer(*words.priority, INT32_MIN, INT32_MAX);
    if (!priority) return of_option("--priority", priority.error());
    params.integer("priority", *priority);
  }
  if (const auto put = put_pairs(params, "--env", "env", words.env); !put) return put;
  if (const auto put = put_pairs(params, "--label", "labels", words.labels); !put) return put;
  for (const auto& [option, key, text] : {std::tuple("--timeout", "timeout", &words.timeout),
                                          std::tuple("--kill-after", "kill_after", &words.kill_after),
                                          std::tuple("--retry-delay", "retry_delay", &words.retry_delay),
                                          std::tuple("--delay", "delay", &words.delay)})
    if (const auto put = put_duration(params, option, key, *text); !put) return put;
  // These are read by the daemon alone, whose error names them without the dashes.
  for (const auto& [key, text] :
       {std::pair("retries", &words.retries), std::pair("backoff", &words.backoff),
        std::pair("after", &words.after), std::pair("dependency", &words.dependency),
        std::pair("array", &words.array), std::pair("unique", &words.unique),
        std::pair("on_duplicate", &words.on_duplicate), std::pair("idempotency_key", &words.idempotency_key),
        std::pair("slots", &words.slots), std::pair("max_output", &words.max_output),
        std::pair("max_memory", &words.max_memory), std::pair("nice", &words.nice)})
    put_text(params, key, *text);
  if (words.at) {
    const auto at = start_time(*words.at);
    if (!at) return of_option("--at", at.error());
    params.wire("at", *at);
  }
  if (words.clean_env) params.flag("clean_env");
  return ok();
}

void put_surroundings(ipc::ObjectText& params, bool clean_env) {
  Words environment;
  for (char** variable = environ; variable && *variable; ++variable) {
    const std::string_view pair(*variable);
    // What is no variable cannot be handed on either.
    if (pair.find('=') == std::string_view::npos || (clean_env && !pair.starts_with("PATH="))) continue;
    environment.push_back(pair);
  }
  params.wires("environment", environment);
  params.wire("cwd", current_folder());
  const auto mask = ::umask(0);
  ::umask(mask);
  params.integer("umask", mask);
}

Result<UniqueFd> open_stdin_file(std::string_view path) {
  const std::string name(path);
  // O_NONBLOCK: a pipe without a writer must not hold the submit up.
  UniqueFd file(::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat about {};
  if (!file || ::fstat(file.get(), &about) < 0)
    return make_error(Errc::io, errno_error("--stdin " + name).message());
  if (S_ISDIR(about.st_mode)) return make_error(Errc::io, "--stdin " + name + ": is a folder");
  return file;
}

Result<std::string> spool_stdin(const std::string& state_dir) {
  const std::string folder = state_dir + "/stdin";
  if (const auto made = make_private_folder(folder); !made) return made.error();
  unsigned char random[16];
  if (::getrandom(random, sizeof random, 0) != sizeof random) return errno_error("getrandom");
  std::string path = folder + "/";
  for (const auto byte : random) path.append({"0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]});

  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file) return errno_error("create " + path);
  for (const auto& step : {copy_stdin(file.get()), sync_and_name(file.get(), folder)}) {
    if (step) continue;
    ::unlink(path.c_str());
    return step.error();
  }
  return path;
}

}  // namespace tine::cmd
