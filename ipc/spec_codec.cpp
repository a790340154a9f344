#include <algorithm>
#include <cstdlib>

#include "core/base/clock.hpp"
#include "core/base/file.hpp"
#include "core/base/limits.hpp"
#include "core/base/quantity.hpp"
#include "core/base/wall_time.hpp"
#include "ipc/codec.hpp"

namespace tine::ipc {
namespace {

constexpr std::string_view job_keys[] = {
    "command",      "shell",           "function",    "args",       "name",
    "pool",         "priority",        "workdir",     "env",        "clean_env",
    "stdin",        "stdin_spooled",   "labels",      "timeout",    "kill_after",
    "callback",     "retries",         "retry_delay", "backoff",    "delay",
    "at",           "after",           "dependency",  "array",      "unique",
    "on_duplicate", "idempotency_key", "slots",       "max_output", "max_memory",
    "nice"};

Status refuse_unknown_keys(const Json& object, const std::vector<std::string_view>& also_allowed) {
  for (const auto& [key, value] : object.items()) {
    if (std::find(std::begin(job_keys), std::end(job_keys), key) != std::end(job_keys)) continue;
    if (std::find(also_allowed.begin(), also_allowed.end(), key) != also_allowed.end()) continue;
    std::string allowed;
    for (const auto known : job_keys) allowed += (allowed.empty() ? "" : " ") + std::string(known);
    return usage_error(key + ": unknown field; allowed: " + allowed);
  }
  return ok();
}

/// Exactly one of command, shell and function says what runs.
Status read_what_runs(const Json& object, JobSpec& spec) {
  const int given = object.contains("command") + object.contains("shell") + object.contains("function");
  if (given != 1) return usage_error("command: a job has one of command (array), shell (string) or function");
  if (object.contains("args") && !object.contains("function")) return usage_error("args: only with function");
  if (const auto found = object.find("command"); found != object.end()) {
    if (!found->is_array() || found->empty())
      return usage_error("command: must be a non-empty array of strings");
    for (std::size_t i = 0; i < found->size(); ++i) {
      auto word = bytes_from_json((*found)[i], "command[" + std::to_string(i) + "]");
      if (!word) return word.error();
      spec.argv.push_back(std::move(*word));
    }
    if (spec.argv[0].empty()) return usage_error("command[0]: must not be empty");
    return ok();
  }
  if (const auto found = object.find("shell"); found != object.end()) {
    auto text = bytes_from_json(*found, "shell");
    if (!text) return text.error();
    spec.shell = true;
    spec.argv = {"/bin/sh", "-c", std::move(*text)};
    return ok();
  }
  spec.kind = JobKind::function;
  auto name = string_field(object, "function", "");
  if (!name) return name.error();
  if (name->empty()) return usage_error("function: must not be empty");
  spec.function = std::move(*name);
  const auto args = object.find("args");
  if (args != object.end() && !args->is_array())
    return usage_error("args: must be a JSON array of positional arguments");
  spec.args_json = args == object.end() ? "[]" : args->dump();
  return ok();
}

Status read_environment(const Json& object, JobSpec& spec) {
  auto clean = bool_field(object, "clean_env", false);
  if (!clean) return clean.error();
  spec.clean_environment = *clean;
  const auto env = object.find("env");
  if (env == object.end() || env->is_null()) return ok();
  if (!env->is_object()) return usage_error("env: must be an object of strings");
  for (const auto& [key, value] : env->items()) {
    if (key.empty() || key.find('=') != std::string::npos || key.find('\0') != std::string::npos)
      return usage_error("env: a name must not be empty nor hold '=' or NUL");
    auto text = bytes_from_json(value, "env." + key);
    if (!text) return text.error();
    spec.environment_extra.push_back(key + "=" + *text);
  }
  return ok();
}

Status read_labels(const Json& object, JobSpec& spec) {
  const auto labels = object.find("labels");
  if (labels == object.end() || labels->is_null()) return ok();
  if (!labels->is_object()) return usage_error("labels: must be an object of strings");
  for (const auto& [key, value] : labels->items()) {
    if (!value.is_string()) return usage_error("labels." + key + ": must be a string");
    if (key.empty() || key.size() > limits::name_bytes_max)
      return usage_error("labels: a key has 1 to " + std::to_string(limits::name_bytes_max) + " bytes");
    spec.labels[key] = value.get<std::string>();
  }
  return ok();
}

Status read_text_fields(const Json& object, const SubmitContext& context, JobSpec& spec) {
  struct Field {
    const char* key;
    std::string* into;
  };
  std::string workdir = context.cwd;
  for (const auto& [key, into] :
       {Field{"name", &spec.name}, Field{"pool", &spec.pool}, Field{"workdir", &workdir},
        Field{"stdin", &spec.stdin_path}, Field{"callback", &spec.callback}}) {
    auto value = string_field(object, key, *into);
    if (!value) return value.error();
    *into = std::move(*value);
  }
  if (spec.name.size() > limits::name_bytes_max)
    return usage_error("name: " + std::to_string(spec.name.size()) +
                       " bytes; allowed: " + std::to_string(limits::name_bytes_max));
  if (spec.callback.size() >= limits::exec_string_bytes_max)
    return usage_error("callback: " + std::to_string(spec.callback.size()) + " bytes; allowed: " +
                       std::to_string(limits::exec_string_bytes_max - 1) + ", what execve takes");
  spec.workdir = absolute_path(workdir, context.cwd);
  if (!spec.stdin_path.empty()) spec.stdin_path = absolute_path(spec.stdin_path, context.cwd);
  return ok();
}

Status read_numbers(const Json& object, JobSpec& spec) {
  if (const auto found = object.find("priority"); found != object.end() && !found->is_null()) {
    if (!found->is_number_integer() || found->get<std::int64_t>() < -1'000'000 ||
        found->get<std::int64_t>() > 1'000'000)
      return usage_error("priority: must be a whole number from -1000000 to 1000000");
    spec.priority = found->get<std::int32_t>();
  }
  auto timeout = duration_field(object, "timeout", 0);
  if (!timeout) return timeout.error();
  auto kill_after = duration_field(object, "kill_after", 10);
  if (!kill_after) return kill_after.error();
  auto spooled = bool_field(object, "stdin_spooled", false);
  if (!spooled) return spooled.error();
  spec.timeout_s = *timeout;
  spec.kill_after_s = *kill_after;
  spec.stdin_is_spooled = *spooled;
  return ok();
}

/// A whole number or a text that holds one.
Result<std::int64_t> integer_field(const Json& object, const char* key, std::int64_t fallback,
                                   std::int64_t least, std::int64_t greatest) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return fallback;
  const auto wrong = usage_error(std::string(key) + ": must be a whole number from " + std::to_string(least) +
                                 " to " + std::to_string(greatest));
  if (found->is_string()) {
    const auto value = parse_integer(found->get_ref<const std::string&>(), least, greatest);
    return value ? value : Result<std::int64_t>(wrong);
  }
  // Above INT64_MAX nlohmann keeps a number unsigned, and would read it back as negative.
  if (!found->is_number_integer() || (found->is_number_unsigned() && found->get<std::uint64_t>() > INT64_MAX))
    return wrong;
  const auto value = found->get<std::int64_t>();
  return value < least || value > greatest ? Result<std::int64_t>(wrong) : value;
}

Status read_backoff(const Json& object, JobSpec& spec) {
  const auto found = object.find("backoff");
  if (found == object.end() || found->is_null()) return ok();
  double factor = 0;
  if (found->is_number()) factor = found->get<double>();
  if (found->is_string()) factor = std::strtod(found->get_ref<const std::string&>().c_str(), nullptr);
  if (!(factor >= 1 && factor <= 100)) return usage_error("backoff: must be a number from 1 to 100");
  spec.backoff = factor;
  return ok();
}

Status read_retries(const Json& object, JobSpec& spec) {
  auto retries = integer_field(object, "retries", 0, 0, 1000);
  if (!retries) return retries.error();
  auto delay = duration_field(object, "retry_delay", 0);
  if (!delay) return delay.error();
  spec.retries = static_cast<std::uint32_t>(*retries);
  spec.retry_delay_s = *delay;
  return read_backoff(object, spec);
}

Status read_start(const Json& object, JobSpec& spec) {
  auto delay = duration_field(object, "delay", 0);
  if (!delay) return delay.error();
  auto at = string_field(object, "at", "");
  if (!at) return at.error();
  if (*delay > 0 && !at->empty()) return usage_error("at: delay is given too; allowed: one of them");
  const Micros now = now_micros();
  if (*delay > 0) spec.not_before = now + static_cast<Micros>(*delay * 1e6);
  if (at->empty()) return ok();
  auto time = parse_wall_time(*at, now);
  if (!time) return usage_error("at: " + time.error().message());
  // What was "now" for the client is a moment ago.
  constexpr Micros on_the_way = 2'000'000;
  if (*time < now - on_the_way) return usage_error("at: " + *at + " is in the past; allowed: a time to come");
  spec.not_before = *time;
  return ok();
}

/// Ids as numbers, names of lines as strings; a string of ids as on the command line too.
Status read_after(const Json& object, Submission& submission) {
  const auto found = object.find("after");
  if (found == object.end() || found->is_null()) return ok();
  const auto wrong = usage_error("after: must be an array of ids and of names in the same batch");
  const auto add = [&](JobId id) { submission.spec.dependencies.push_back({After::ok, id}); };
  if (found->is_string()) {
    auto ids = parse_ids(found->get_ref<const std::string&>());
    if (!ids) return usage_error("after: " + ids.error().message());
    for (const JobId id : *ids) add(id);
    return ok();
  }
  if (found->is_number_unsigned()) return add(found->get<JobId>()), ok();
  if (!found->is_array()) return wrong;
  for (const auto& item : *found) {
    if (item.is_number_unsigned())
      add(item.get<JobId>());
    else if (item.is_string())
      submission.after_names.push_back(item.get<std::string>());
    else
      return wrong;
  }
  return ok();
}

Status read_dependency(const Json& object, JobSpec& spec) {
  auto text = string_field(object, "dependency", "");
  if (!text) return text.error();
  if (text->empty()) return ok();
  auto dependencies = parse_dependencies(*text);
  if (!dependencies) return usage_error("dependency: " + dependencies.error().message());
  spec.dependencies.insert(spec.dependencies.end(), dependencies->begin(), dependencies->end());
  return ok();
}

Status read_array(const Json& object, Submission& submission) {
  auto text = string_field(object, "array", "");
  if (!text) return text.error();
  if (text->empty()) return ok();
  auto array = parse_array(*text);
  if (!array) return usage_error("array: " + array.error().message());
  submission.array = std::move(*array);
  return ok();
}

Status read_keys(const Json& object, Submission& submission) {
  for (const auto& [key, into] : {std::pair{"unique", &submission.spec.unique_key},
                                  {"idempotency_key", &submission.spec.idempotency_key}}) {
    auto text = string_field(object, key, "");
    if (!text) return text.error();
    if (text->size() > limits::key_bytes_max)
      return usage_error(std::string(key) + ": " + std::to_string(text->size()) +
                         " bytes; allowed: " + std::to_string(limits::key_bytes_max));
    if (!text->empty() && submission.array) return usage_error(std::string(key) + ": not with array");
    *into = std::move(*text);
  }
  auto word = string_field(object, "on_duplicate", "skip");
  if (!word) return word.error();
  if (object.contains("on_duplicate") && submission.spec.unique_key.empty())
    return usage_error("on_duplicate: only with unique");
  if (*word == "skip")
    submission.spec.on_duplicate = OnDuplicate::skip;
  else if (*word == "queue")
    submission.spec.on_duplicate = OnDuplicate::queue;
  else if (*word == "replace")
    submission.spec.on_duplicate = OnDuplicate::replace;
  else if (*word == "error")
    submission.spec.on_duplicate = OnDuplicate::error;
  else
    return usage_error("on_duplicate: \"" + *word + "\" is not known; allowed: skip queue replace error");
  return ok();
}

Status read_bounds(const Json& object, JobSpec& spec) {
  auto slots = integer_field(object, "slots", 1, 1, limits::pool_size_max);
  if (!slots) return slots.error();
  auto output = size_field(object, "max_output", no_bound);
  if (!output) return output.error();
  auto memory = size_field(object, "max_memory", no_bound);
  if (!memory) return memory.error();
  if (*memory < 1u << 20) return usage_error("max_memory: must be at least 1M");
  auto nice = integer_field(object, "nice", 0, -20, 19);
  if (!nice) return nice.error();
  // Its worker stays as it is, and could not take a nice back.
  if (spec.kind == JobKind::function && (*memory != no_bound || *nice != 0))
    return usage_error(std::string(*nice != 0 ? "nice" : "max_memory") +
                       ": of commands alone; a function runs in its worker");
  spec.slots = static_cast<std::uint32_t>(*slots);
  spec.max_output_bytes = *output;
  spec.max_memory_bytes = *memory;
  spec.nice = static_cast<std::int32_t>(*nice);
  return ok();
}

Status within_execve(const JobSpec& spec, const std::string& environment) {
  std::size_t total = environment.size();
  for (const auto* list : {&spec.argv, &spec.environment_extra}) {
    for (const auto& word : *list) {
      if (word.size() >= limits::exec_string_bytes_max)
        return usage_error("command: an argument or variable of " + std::to_string(word.size()) +
                           " bytes; allowed: " + std::to_string(limits::exec_string_bytes_max - 1) +
                           ", what execve takes");
      total += word.size() + 1 + sizeof(char*);
    }
  }
  if (total > limits::exec_bytes_max)
    return usage_error("command: arguments and environment of " + std::to_string(total) +
                       " bytes; allowed: " + std::to_string(limits::exec_bytes_max) + ", what execve takes");
  return ok();
}

}  // namespace

Result<SubmitContext> submit_context_from(const Json& params) {
  SubmitContext context;
  auto cwd = string_field(params, "cwd", "/");
  if (!cwd) return cwd.error();
  if (cwd->empty() || cwd->front() != '/') return usage_error("cwd: must be an absolute path");
  context.cwd = std::move(*cwd);
  auto mask = unsigned_field(params, "umask", 022, 0777);
  if (!mask) return mask.error();
  context.umask = static_cast<std::uint32_t>(*mask);
  const auto environment = params.find("environment");
  if (environment == params.end() || environment->is_null()) {
    context.environment =
        std::string("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin") + '\0';
    return context;
  }
  if (!environment->is_array()) return usage_error("environment: must be an array of \"K=V\" strings");
  for (const auto& item : *environment) {
    auto entry = bytes_from_json(item, "environment");
    if (!entry) return entry.error();
    if (entry->find('=') == std::string::npos)
      return usage_error("environment: \"" + *entry + "\" has no '='");
    context.environment.append(*entry).push_back('\0');
  }
  return context;
}

Result<Submission> submission_from(const Json& object, const SubmitContext& context, const std::string& where,
                                   const std::vector<std::string_view>& also_allowed) {
  const auto at = [&](const Error& error) { return Error{error.code, where + error.context}; };
  if (!object.is_object()) return at(usage_error("a job is a JSON object"));
  Submission submission;
  JobSpec& spec = submission.spec;
  spec.umask = context.umask;
  if (auto s = refuse_unknown_keys(object, also_allowed); !s) return at(s.error());
  if (auto s = read_what_runs(object, spec); !s) return at(s.error());
  if (auto s = read_environment(object, spec); !s) return at(s.error());
  if (auto s = read_labels(object, spec); !s) return at(s.error());
  if (auto s = read_text_fields(object, context, spec); !s) return at(s.error());
  if (auto s = read_numbers(object, spec); !s) return at(s.error());
  if (auto s = read_retries(object, spec); !s) return at(s.error());
  if (auto s = read_start(object, spec); !s) return at(s.error());
  if (auto s = read_after(object, submission); !s) return at(s.error());
  if (auto s = read_dependency(object, spec); !s) return at(s.error());
  if (auto s = read_array(object, submission); !s) return at(s.error());
  if (auto s = read_keys(object, submission); !s) return at(s.error());
  if (auto s = read_bounds(object, spec); !s) return at(s.error());
  if (auto s = within_execve(spec, context.environment); !s) return at(s.error());
  for (const char* key : {"workdir", "env", "clean_env", "stdin"})
    if (object.contains(key))
      spec.own_surroundings += (spec.own_surroundings.empty() ? "" : " ") + std::string(key);
  if (spec.name.empty()) spec.name = spec.kind == JobKind::function ? spec.function : "";
  return submission;
}

Result<JobSpec> spec_from(const Json& object, const SubmitContext& context, const std::string& where,
                          const std::vector<std::string_view>& also_allowed) {
  auto submission = submission_from(object, context, where, also_allowed);
  if (!submission) return submission.error();
  if (submission->array) return usage_error(where + "array: one job alone is allowed here");
  if (!submission->after_names.empty())
    return usage_error(where + "after: \"" + submission->after_names[0] +
                       "\" is no id; a name is allowed in a batch");
  return std::move(submission->spec);
}

}  // namespace tine::ipc
