#include "core/base/clock.hpp"
#include "core/base/text.hpp"
#include "ipc/codec.hpp"
#include "ipc/wire_text.hpp"

namespace tine::ipc {
namespace {

/// Most records have a few hundred bytes.
constexpr std::size_t usual_bytes = 1024;

void time_or_null(ObjectText& record, std::string_view name, Micros time) {
  time ? record.text(name, rfc3339(time)) : record.null(name);
}

template <class T>
void integer_or_null(ObjectText& record, std::string_view name, const std::optional<T>& value) {
  value ? record.integer(name, *value) : record.null(name);
}

/// Of a job that has not ended: all as it is made.
const Outcome& end_of(const JobRow& row) {
  static const Outcome none;
  return row.outcome ? *row.outcome : none;
}

std::string_view name_of(CallbackStatus::State state) {
  switch (state) {
    case CallbackStatus::State::pending:
      return "pending";
    case CallbackStatus::State::succeeded:
      return "succeeded";
    case CallbackStatus::State::failed:
      return "failed";
    case CallbackStatus::State::none:
      break;
  }
  return "none";
}

void add_callback(ObjectText& record, const CallbackStatus& callback) {
  if (callback.state == CallbackStatus::State::none) return record.null("callback");
  ObjectText object(record.member("callback"));
  object.text("state", name_of(callback.state));
  integer_or_null(object, "exit_code", callback.exit_code);
  object.integer("attempts", callback.attempts);
  object.text("event_id", callback.event_id);
  object.end();
}

void add_command(ObjectText& record, const JobSpec& spec) {
  if (spec.kind == JobKind::function) return record.null("command");
  std::string& json = record.member("command") += '[';
  for (const auto& word : spec.argv) {
    if (json.back() != '[') json += ',';
    append_wire(json, word);
  }
  json += ']';
}

void add_identity(ObjectText& record, const JobRow& row) {
  const bool function = row.spec.kind == JobKind::function;
  record.integer("schema", 1);
  record.integer("id", static_cast<std::int64_t>(row.id));
  record.wire("name", row.spec.name);
  record.text("pool", row.spec.pool);
  record.text("kind", function ? "function" : "command");
  add_command(record, row.spec);
  function ? record.text("function", row.spec.function) : record.null("function");
  function ? record.json("args", row.spec.args_json) : record.null("args");
}

void add_reason(ObjectText& record, const JobRow& row) {
  const Reason reason = end_of(row).reason;
  reason == Reason::none ? record.null("reason") : record.text("reason", tine::name_of(reason));
}

void add_exit(ObjectText& record, const JobRow& row) {
  const Outcome& end = end_of(row);
  integer_or_null(record, "exit_code", end.exit_code);
  end.signal ? record.text("signal", signal_name(*end.signal)) : record.null("signal");
}

void add_error(ObjectText& record, const Outcome& end) {
  if (end.error_type.empty()) return record.null("error");
  ObjectText error(record.member("error"));
  error.text("type", end.error_type);
  error.text("message", end.error_message);
  error.end();
}

void add_end(ObjectText& record, const JobRow& row) {
  record.text("state", tine::name_of(row.state));
  if (row.is_paused && row.state == JobState::running) record.member("paused") += "true";
  add_reason(record, row);
  add_exit(record, row);
  const std::string& result = end_of(row).result_json;
  result.empty() ? record.null("result") : record.json("result", result);
  add_error(record, end_of(row));
}

void add_stream(ObjectText& record, const std::string& name, bool given_away, const std::string& tail,
                std::uint64_t bytes) {
  if (given_away) {
    record.null(name);
    return record.null(name + "_bytes");
  }
  if (is_utf8(tail)) {
    record.text(name, tail);
  } else {
    record.null(name);
    record.text(name + "_base64", base64_encode(tail));
  }
  record.integer(name + "_bytes", static_cast<std::int64_t>(bytes));
}

void add_duration(ObjectText& record, const JobRow& row) {
  const Outcome& end = end_of(row);
  const bool is_known = end.started && end.finished;
  is_known ? record.number("duration_s", end.duration_s()) : record.null("duration_s");
}

void add_times(ObjectText& record, const JobRow& row) {
  record.integer("attempt", row.attempt);
  time_or_null(record, "submitted_at", row.submitted);
  time_or_null(record, "started_at", row.outcome ? row.outcome->started : row.started);
  time_or_null(record, "finished_at", end_of(row).finished);
  add_duration(record, row);
}

void add_worker(ObjectText& record, const JobRow& row) {
  const std::int32_t pid = row.outcome ? row.outcome->worker_pid : row.worker_pid;
  if (!pid) return record.null("worker");
  ObjectText worker(record.member("worker"));
  worker.integer("slot", row.outcome ? row.outcome->slot : row.slot);
  worker.integer("pid", pid);
  worker.end();
}

void add_usage(ObjectText& record, const Outcome& end) {
  if (end.stdout_dropped_bytes)
    record.integer("stdout_dropped_bytes", static_cast<std::int64_t>(end.stdout_dropped_bytes));
  if (end.stderr_dropped_bytes)
    record.integer("stderr_dropped_bytes", static_cast<std::int64_t>(end.stderr_dropped_bytes));
  ObjectText usage(record.member("usage"));
  usage.number("user_s", end.user_s);
  usage.number("system_s", end.system_s);
  usage.integer("max_rss_bytes", static_cast<std::int64_t>(end.max_rss_bytes));
  usage.end();
}

void add_marks(ObjectText& record, const JobSpec& spec) {
  ObjectText labels(record.member("labels"));
  for (const auto& [key, value] : spec.labels) labels.text(key, value);
  labels.end();
  integer_or_null(record, "array_index", spec.array_index);
}

}  // namespace

std::string record_text(const JobRow& row) {
  std::string json;
  json.reserve(usual_bytes);
  ObjectText record(json);
  const bool given_away = row.spec.foreground == Foreground::given_away;
  add_identity(record, row);
  add_end(record, row);
  add_stream(record, "stdout", given_away, row.stdout_tail, row.stdout_bytes);
  add_stream(record, "stderr", given_away, row.stderr_tail, row.stderr_bytes);
  add_times(record, row);
  add_worker(record, row);
  add_usage(record, end_of(row));
  add_marks(record, row.spec);
  add_callback(record, row.callback);
  record.end();
  return json;
}

std::string call_record_text(const JobRow& row, std::uint64_t index) {
  std::string json;
  ObjectText record(json);
  record.integer("schema", 1);
  record.integer("index", static_cast<std::int64_t>(index));
  add_end(record, row);
  add_stream(record, "stdout", false, row.stdout_tail, row.stdout_bytes);
  add_stream(record, "stderr", false, row.stderr_tail, row.stderr_bytes);
  add_duration(record, row);
  record.end();
  return json;
}

std::string short_record_text(const JobRow& row) {
  std::string json;
  ObjectText record(json);
  add_identity(record, row);
  add_end(record, row);
  add_times(record, row);
  add_worker(record, row);
  add_marks(record, row.spec);
  record.end();
  return json;
}

std::string end_text(const JobRow& row) {
  std::string json;
  ObjectText record(json);
  record.integer("id", static_cast<std::int64_t>(row.id));
  record.text("state", tine::name_of(row.state));
  add_reason(record, row);
  record.text("kind", row.spec.kind == JobKind::function ? "function" : "command");
  add_exit(record, row);
  record.end();
  return json;
}

}  // namespace tine::ipc
