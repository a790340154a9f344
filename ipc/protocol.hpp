#pragma once
#include <string_view>

/// The public wire: one JSON-RPC 2.0 object a line. Methods are the verbs; codec.cpp knows the keys of jobs.
namespace tine::ipc {

inline constexpr int protocol_version = 1;

/// JSON-RPC's own error codes; tine's are `error_code_base - exit code`, with the exit code in
/// `data.exit_code`.
inline constexpr int parse_error = -32700;
inline constexpr int invalid_request = -32600;
inline constexpr int method_not_found = -32601;
inline constexpr int error_code_base = -32000;

/// Notifications from the daemon.
inline constexpr std::string_view hello = "hello";  ///< {protocol, version, pid}: the first line
inline constexpr std::string_view job_submitted = "job.submitted";  ///< {id}, for `run`
inline constexpr std::string_view job_started = "job.started";      ///< {id}, for `run`
inline constexpr std::string_view job_finished = "job.finished";  ///< a job record, for `wait` with "stream"
inline constexpr std::string_view event = "event";  ///< {seq, time, type, job, ...}, for `events`
/// {jobs, ended}: how many there are, for `wait` with "progress".
inline constexpr std::string_view wait_began = "wait.began";

}  // namespace tine::ipc
