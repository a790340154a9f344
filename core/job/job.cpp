#include "core/job/job.hpp"

#include <signal.h>
#include <string.h>

#include <charconv>

#include "core/base/bytes.hpp"

namespace tine {
namespace {

constexpr std::uint8_t spec_version = 2;
constexpr std::uint8_t outcome_version = 2;

struct StateName {
  JobState state;
  std::string_view name;
};
constexpr StateName state_names[] = {
    {JobState::waiting, "waiting"},     {JobState::held, "held"},           {JobState::queued, "queued"},
    {JobState::running, "running"},     {JobState::succeeded, "succeeded"}, {JobState::failed, "failed"},
    {JobState::timed_out, "timed_out"}, {JobState::cancelled, "cancelled"}, {JobState::lost, "lost"},
};

void write_optional(ByteWriter& out, std::optional<int> value) {
  out.number<std::uint8_t>(value.has_value());
  out.number<std::int32_t>(value.value_or(0));
}

std::optional<int> read_optional(ByteReader& in) {
  const bool present = in.number<std::uint8_t>() != 0;
  const int value = in.number<std::int32_t>();
  return present ? std::optional(value) : std::nullopt;
}

}  // namespace

std::string_view name_of(JobState state) {
  for (const auto& entry : state_names)
    if (entry.state == state) return entry.name;
  return "unknown";
}

std::optional<JobState> job_state_from(std::string_view name) {
  for (const auto& entry : state_names)
    if (entry.name == name) return entry.state;
  return std::nullopt;
}

std::string_view name_of(Reason reason) {
  switch (reason) {
    case Reason::none:
      return "";
    case Reason::exit:
      return "exit";
    case Reason::signal:
      return "signal";
    case Reason::timeout:
      return "timeout";
    case Reason::oom:
      return "oom";
    case Reason::exec:
      return "exec";
    case Reason::exception:
      return "exception";
    case Reason::cancelled:
      return "cancelled";
    case Reason::dependency:
      return "dependency";
    case Reason::worker_died:
      return "worker_died";
  }
  return "";
}

std::string signal_name(int signal) {
  const char* abbreviation = ::sigabbrev_np(signal);
  return "SIG" + (abbreviation ? std::string(abbreviation) : std::to_string(signal));
}

std::optional<int> signal_from(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc{} && end == text.data() + text.size())
    return number > 0 && number < NSIG ? std::optional(number) : std::nullopt;
  std::string name(text);
  for (char& c : name) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  if (name.starts_with("SIG")) name.erase(0, 3);
  for (int signal = 1; signal < NSIG; ++signal) {
    const char* abbreviation = ::sigabbrev_np(signal);
    if (abbreviation && name == abbreviation) return signal;
  }
  return std::nullopt;
}

namespace {

/// Most jobs have none of these: then they cost one byte.
bool has_extras(const JobSpec& spec) {
  return spec.has_conditions() || spec.clean_environment || spec.array_index ||
         !spec.idempotency_key.empty() || spec.max_output_bytes != no_bound ||
         spec.max_memory_bytes != no_bound || spec.nice != 0;
}

void write_extras(ByteWriter& out, const JobSpec& spec) {
  out.number(spec.not_before);
  out.number(static_cast<std::uint32_t>(spec.dependencies.size()));
  for (const auto& dependency : spec.dependencies) {
    out.number(dependency.after);
    out.number(dependency.job);
  }
  out.number(spec.retries);
  out.number(spec.retry_delay_s);
  out.number(spec.backoff);
  out.number<std::uint8_t>(spec.array_index.has_value());
  out.number(spec.array_index.value_or(0));
  out.number(spec.array_id);
  out.number(spec.array_max);
  out.string(spec.unique_key);
  out.number(spec.on_duplicate);
  out.string(spec.idempotency_key);
  out.number(spec.slots);
  out.number(spec.max_output_bytes);
  out.number(spec.max_memory_bytes);
  out.number(spec.nice);
  out.number<std::uint8_t>(spec.clean_environment);
}

void read_extras(ByteReader& in, JobSpec& spec) {
  spec.not_before = in.number<Micros>();
  for (auto count = in.number<std::uint32_t>(); count > 0 && in.ok(); --count) {
    const auto after = in.number<After>();
    spec.dependencies.push_back({after, in.number<JobId>()});
  }
  spec.retries = in.number<std::uint32_t>();
  spec.retry_delay_s = in.number<double>();
  spec.backoff = in.number<double>();
  const bool has_index = in.number<std::uint8_t>() != 0;
  const auto index = in.number<std::uint32_t>();
  if (has_index) spec.array_index = index;
  spec.array_id = in.number<JobId>();
  spec.array_max = in.number<std::uint32_t>();
  spec.unique_key = in.string();
  spec.on_duplicate = in.number<OnDuplicate>();
  spec.idempotency_key = in.string();
  spec.slots = in.number<std::uint32_t>();
  spec.max_output_bytes = in.number<std::uint64_t>();
  spec.max_memory_bytes = in.number<std::uint64_t>();
  spec.nice = in.number<std::int32_t>();
  spec.clean_environment = in.number<std::uint8_t>() != 0;
}

}  // namespace

std::string encode(const JobSpec& spec) {
  ByteWriter out;
  out.number(spec_version);
  out.string(spec.name);
  out.string(spec.pool);
  out.number(spec.kind);
  out.number<std::uint8_t>(spec.shell);
  out.strings(spec.argv);
  out.string(spec.function);
  out.string(spec.args_json);
  out.number(spec.priority);
  out.string(spec.workdir);
  out.number(spec.umask);
  out.strings(spec.environment_extra);
  out.string(spec.stdin_path);
  out.number<std::uint8_t>(spec.stdin_is_spooled);
  out.number(static_cast<std::uint32_t>(spec.labels.size()));
  for (const auto& [key, value] : spec.labels) {
    out.string(key);
    out.string(value);
  }
  out.number(spec.timeout_s);
  out.number(spec.kill_after_s);
  out.string(spec.callback);
  out.number(spec.foreground);
  out.number<std::uint8_t>(has_extras(spec));
  if (has_extras(spec)) write_extras(out, spec);
  return out.take();
}

std::optional<JobSpec> decode_spec(std::string_view bytes) {
  ByteReader in(bytes);
  if (in.number<std::uint8_t>() != spec_version) return std::nullopt;
  JobSpec spec;
  spec.name = in.string();
  spec.pool = in.string();
  spec.kind = in.number<JobKind>();
  spec.shell = in.number<std::uint8_t>() != 0;
  spec.argv = in.strings();
  spec.function = in.string();
  spec.args_json = in.string();
  spec.priority = in.number<std::int32_t>();
  spec.workdir = in.string();
  spec.umask = in.number<std::uint32_t>();
  spec.environment_extra = in.strings();
  spec.stdin_path = in.string();
  spec.stdin_is_spooled = in.number<std::uint8_t>() != 0;
  for (auto count = in.number<std::uint32_t>(); count > 0 && in.ok(); --count) {
    std::string key = in.string();
    spec.labels[std::move(key)] = in.string();
  }
  spec.timeout_s = in.number<double>();
  spec.kill_after_s = in.number<double>();
  spec.callback = in.string();
  spec.foreground = in.number<Foreground>();
  if (in.number<std::uint8_t>() != 0) read_extras(in, spec);
  if (!in.at_end()) return std::nullopt;
  return spec;
}

std::string encode(const Outcome& outcome) {
  ByteWriter out;
  out.number(outcome_version);
  out.number(outcome.job);
  out.number(outcome.attempt);
  out.number(outcome.state);
  out.number(outcome.reason);
  write_optional(out, outcome.exit_code);
  write_optional(out, outcome.signal);
  out.string(outcome.result_json);
  out.string(outcome.error_type);
  out.string(outcome.error_message);
  out.number(outcome.started);
  out.number(outcome.finished);
  out.number(outcome.slot);
  out.number(outcome.worker_pid);
  out.number(outcome.user_s);
  out.number(outcome.system_s);
  out.number(outcome.max_rss_bytes);
  out.number(outcome.stdout_bytes);
  out.number(outcome.stderr_bytes);
  out.number(outcome.stdout_dropped_bytes);
  out.number(outcome.stderr_dropped_bytes);
  out.number<std::uint8_t>(outcome.stdout_in_file);
  out.number<std::uint8_t>(outcome.stderr_in_file);
  out.string(outcome.stdout_inline);
  out.string(outcome.stderr_inline);
  return out.take();
}

std::optional<Outcome> decode_outcome(std::string_view bytes) {
  ByteReader in(bytes);
  if (in.number<std::uint8_t>() != outcome_version) return std::nullopt;
  Outcome outcome;
  outcome.job = in.number<JobId>();
  outcome.attempt = in.number<std::uint32_t>();
  outcome.state = in.number<JobState>();
  outcome.reason = in.number<Reason>();
  outcome.exit_code = read_optional(in);
  outcome.signal = read_optional(in);
  outcome.result_json = in.string();
  outcome.error_type = in.string();
  outcome.error_message = in.string();
  outcome.started = in.number<Micros>();
  outcome.finished = in.number<Micros>();
  outcome.slot = in.number<std::uint32_t>();
  outcome.worker_pid = in.number<std::int32_t>();
  outcome.user_s = in.number<double>();
  outcome.system_s = in.number<double>();
  outcome.max_rss_bytes = in.number<std::uint64_t>();
  outcome.stdout_bytes = in.number<std::uint64_t>();
  outcome.stderr_bytes = in.number<std::uint64_t>();
  outcome.stdout_dropped_bytes = in.number<std::uint64_t>();
  outcome.stderr_dropped_bytes = in.number<std::uint64_t>();
  outcome.stdout_in_file = in.number<std::uint8_t>() != 0;
  outcome.stderr_in_file = in.number<std::uint8_t>() != 0;
  outcome.stdout_inline = in.string();
  outcome.stderr_inline = in.string();
  if (!in.at_end()) return std::nullopt;
  return outcome;
}

int exit_code_of_job(JobState state, Reason reason, JobKind kind, std::optional<int> exit_code,
                     std::optional<int> signal) {
  switch (state) {
    case JobState::succeeded:
      return 0;
    case JobState::timed_out:
      return 124;
    case JobState::cancelled:
      return reason == Reason::dependency ? 125 : 143;
    case JobState::lost:
      return 125;
    default:
      break;
  }
  if (kind == JobKind::function) return 1;
  if (signal) return 128 + *signal;
  return exit_code.value_or(1);
}

}  // namespace tine
