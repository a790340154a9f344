#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/job/conditions.hpp"
#include "core/job/job.hpp"

/// Messages to JSON and back; the only place that throws and catches JSON's exceptions and names a job's
/// keys.
namespace tine::ipc {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

struct Request {
  Json id;  ///< null: a notification, which gets no reply
  std::string method;
  Json params;
};

struct RequestError {
  Json id;
  int code;
  std::string message;
};

/// Bounded in size and depth, strict UTF-8. The error's message names the offset or the field.
std::variant<Request, RequestError> parse_request(std::string_view line);

std::string reply(const Json& id, const OrderedJson& result);
/// Of a result that is JSON text already, on one line.
std::string reply_of_text(const Json& id, std::string_view result);
std::string error_reply(const Json& id, int code, const std::string& message,
                        std::optional<int> exit_code = {});
/// `type`: of what a function threw, beside whose message it goes into the error's data; "": none.
std::string error_reply(const Json& id, const Error& error, const std::string& type = "");
std::string notification(std::string_view method, const OrderedJson& params);
/// Of params that are JSON text already, on one line.
std::string notification_of_text(std::string_view method, std::string_view params);

/// What a submit says once for all its jobs.
struct SubmitContext {
  std::string environment;  ///< K=V, each ended by NUL
  std::string cwd = "/";
  std::uint32_t umask = 022;
};
Result<SubmitContext> submit_context_from(const Json& params);
/// One line as it was written: a job, or as many as its array has elements.
struct Submission {
  JobSpec spec;
  std::optional<ArrayRange> array;
  std::vector<std::string> after_names;  ///< lines of the same batch that must succeed before it
};

/// One batch line. `where` goes before each error: "line 3: ". Unknown keys are refused, but for
/// `also_allowed`.
Result<Submission> submission_from(const Json& object, const SubmitContext& context, const std::string& where,
                                   const std::vector<std::string_view>& also_allowed = {});
/// The same for one that stands alone: without an array, and without names of others.
Result<JobSpec> spec_from(const Json& object, const SubmitContext& context, const std::string& where,
                          const std::vector<std::string_view>& also_allowed = {});

struct CallbackStatus {
  enum class State : std::uint8_t { none, pending, succeeded, failed };
  State state = State::none;
  std::optional<int> exit_code;
  std::uint32_t attempts = 0;
  std::string event_id;
};

/// All that is known of a job, as the record needs it.
struct JobRow {
  JobId id = 0;
  JobState state = JobState::queued;
  std::uint32_t attempt = 0;
  Micros submitted = 0;
  JobSpec spec;
  std::optional<Outcome> outcome;
  CallbackStatus callback;
  /// A running job's, known to the daemon alone.
  bool is_paused = false;
  Micros started = 0;
  std::int32_t worker_pid = 0;
  std::uint32_t slot = 0;
  /// The tails of outputs that live in files: read by whoever makes the row.
  std::string stdout_tail, stderr_tail;
  std::uint64_t stdout_bytes = 0, stderr_bytes = 0;
};
/// The job record of the contract, as JSON on one line.
std::string record_text(const JobRow& row);
/// Without command, output and usage: for `list`.
std::string short_record_text(const JobRow& row);
/// How it ended, and what it was: for who waits for nothing else.
std::string end_text(const JobRow& row);
/// What is known of one call of `map`, by its index.
std::string call_record_text(const JobRow& row, std::uint64_t index);

/// Of what append_wire() writes.
Result<std::string> bytes_from_json(const Json& value, const std::string& field);

/// Fields of params, each error naming the field and what is allowed.
Result<std::string> string_field(const Json& object, const char* key, const std::string& fallback);
Result<std::uint64_t> unsigned_field(const Json& object, const char* key, std::uint64_t fallback,
                                     std::uint64_t greatest);
Result<bool> bool_field(const Json& object, const char* key, bool fallback);
Result<double> duration_field(const Json& object, const char* key, double fallback);
/// A number of bytes, or a text like "10M".
Result<std::uint64_t> size_field(const Json& object, const char* key, std::uint64_t fallback);

/// What `ids` and `last` of params select, as inclusive ranges.
struct Selection {
  std::vector<std::pair<JobId, JobId>> ranges;
  bool last = false;
};
Result<Selection> selection_from(const Json& params);

}  // namespace tine::ipc
