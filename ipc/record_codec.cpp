#include "core/base/clock.hpp"
#include "core/base/text.hpp"
#include "ipc/codec.hpp"

namespace tine::ipc {
namespace {

OrderedJson time_or_null(Micros time) { return time ? OrderedJson(rfc3339(time)) : OrderedJson(nullptr); }

template <class T>
OrderedJson or_null(const std::optional<T>& value) {
  return value ? OrderedJson(*value) : OrderedJson(nullptr);
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

OrderedJson callback_from(const CallbackStatus& callback) {
  if (callback.state == CallbackStatus::State::none) return nullptr;
  return {{"state", name_of(callback.state)},
          {"exit_code", or_null(callback.exit_code)},
          {"attempts", callback.attempts},
          {"event_id", callback.event_id}};
}

OrderedJson command_from(const JobSpec& spec) {
  if (spec.kind == JobKind::function) return nullptr;
  OrderedJson words = OrderedJson::array();
  for (const auto& word : spec.argv) words.push_back(bytes_to_json(word));
  return words;
}

void add_identity(OrderedJson& record, const JobRow& row) {
  const bool function = row.spec.kind == JobKind::function;
  record["schema"] = 1;
  record["id"] = row.id;
  record["name"] = bytes_to_json(row.spec.name);
  record["pool"] = row.spec.pool;
  record["kind"] = function ? "function" : "command";
  record["command"] = command_from(row.spec);
  record["function"] = function ? OrderedJson(row.spec.function) : OrderedJson(nullptr);
  record["args"] = function ? OrderedJson::parse(row.spec.args_json, nullptr, false) : OrderedJson(nullptr);
}

void add_end(OrderedJson& record, const JobRow& row) {
  const Outcome* end = row.outcome ? &*row.outcome : nullptr;
  record["state"] = name_of(row.state);
  if (row.is_paused && row.state == JobState::running) record["paused"] = true;
  record["reason"] =
      end && end->reason != Reason::none ? OrderedJson(name_of(end->reason)) : OrderedJson(nullptr);
  record["exit_code"] = end ? or_null(end->exit_code) : OrderedJson(nullptr);
  record["signal"] = end && end->signal ? OrderedJson(signal_name(*end->signal)) : OrderedJson(nullptr);
  record["result"] = end && !end->result_json.empty() ? OrderedJson::parse(end->result_json, nullptr, false)
                                                      : OrderedJson(nullptr);
  record["error"] = end && !end->error_type.empty()
                        ? OrderedJson{{"type", end->error_type}, {"message", end->error_message}}
                        : OrderedJson(nullptr);
}

void add_stream(OrderedJson& record, const std::string& key, bool given_away, const std::string& tail,
                std::uint64_t bytes) {
  if (given_away) {
    record[key] = nullptr;
  } else if (is_utf8(tail)) {
    record[key] = tail;
  } else {
    record[key] = nullptr;
    record[key + "_base64"] = base64_encode(tail);
  }
  record[key + "_bytes"] = given_away ? OrderedJson(nullptr) : OrderedJson(bytes);
}

void add_times(OrderedJson& record, const JobRow& row) {
  const Micros started = row.outcome ? row.outcome->started : row.started;
  const Micros finished = row.outcome ? row.outcome->finished : 0;
  record["attempt"] = row.attempt;
  record["submitted_at"] = time_or_null(row.submitted);
  record["started_at"] = time_or_null(started);
  record["finished_at"] = time_or_null(finished);
  record["duration_s"] = started && finished ? OrderedJson(row.outcome->duration_s()) : OrderedJson(nullptr);
}

void add_worker(OrderedJson& record, const JobRow& row) {
  const std::int32_t pid = row.outcome ? row.outcome->worker_pid : row.worker_pid;
  const std::uint32_t slot = row.outcome ? row.outcome->slot : row.slot;
  record["worker"] = pid ? OrderedJson{{"slot", slot}, {"pid", pid}} : OrderedJson(nullptr);
}

}  // namespace

OrderedJson record_from(const JobRow& row) {
  OrderedJson record;
  add_identity(record, row);
  add_end(record, row);
  add_stream(record, "stdout", row.spec.foreground == Foreground::given_away, row.stdout_tail,
             row.stdout_bytes);
  add_stream(record, "stderr", row.spec.foreground == Foreground::given_away, row.stderr_tail,
             row.stderr_bytes);
  add_times(record, row);
  add_worker(record, row);
  const Outcome usage = row.outcome.value_or(Outcome{});
  if (usage.stdout_dropped_bytes) record["stdout_dropped_bytes"] = usage.stdout_dropped_bytes;
  if (usage.stderr_dropped_bytes) record["stderr_dropped_bytes"] = usage.stderr_dropped_bytes;
  record["usage"] = {
      {"user_s", usage.user_s}, {"system_s", usage.system_s}, {"max_rss_bytes", usage.max_rss_bytes}};
  OrderedJson labels = OrderedJson::object();
  for (const auto& [key, value] : row.spec.labels) labels[key] = value;
  record["labels"] = std::move(labels);
  record["array_index"] = or_null(row.spec.array_index);
  record["callback"] = callback_from(row.callback);
  return record;
}

OrderedJson call_record_from(const JobRow& row, std::uint64_t index) {
  OrderedJson record;
  record["schema"] = 1;
  record["index"] = index;
  add_end(record, row);
  add_stream(record, "stdout", false, row.stdout_tail, row.stdout_bytes);
  add_stream(record, "stderr", false, row.stderr_tail, row.stderr_bytes);
  record["duration_s"] = row.outcome->started ? OrderedJson(row.outcome->duration_s()) : OrderedJson(nullptr);
  return record;
}

OrderedJson short_record_from(const JobRow& row) {
  OrderedJson record;
  add_identity(record, row);
  add_end(record, row);
  add_times(record, row);
  add_worker(record, row);
  OrderedJson labels = OrderedJson::object();
  for (const auto& [key, value] : row.spec.labels) labels[key] = value;
  record["labels"] = std::move(labels);
  record["array_index"] = or_null(row.spec.array_index);
  return record;
}

}  // namespace tine::ipc
