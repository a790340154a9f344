#include "daemon/map_run.hpp"

#include <unistd.h>

#include "daemon/job_rows.hpp"
#include "ipc/codec.hpp"
#include "ipc/wire_text.hpp"

namespace tine {
namespace {

/// From here on no more is offered to the workers until the client has read.
constexpr std::size_t unread_max_bytes = 1u << 20;

ipc::JobRow row_of(const CallAnswer& answer, bool is_command) {
  ipc::JobRow row;
  row.outcome = is_command && answer.kind == AnswerKind::value ? decode_outcome(answer.bytes) : std::nullopt;
  if (row.outcome) {
    row.id = row.outcome->job;
    row.state = row.outcome->state;
    return row;
  }
  Outcome end;
  end.state = answer.kind == AnswerKind::value ? JobState::succeeded : JobState::failed;
  end.reason = answer.kind == AnswerKind::value   ? Reason::exit
               : answer.kind == AnswerKind::error ? Reason::exception
                                                  : Reason::worker_died;
  if (answer.kind == AnswerKind::value) {
    end.exit_code = 0;
    end.result_json = answer.bytes;
  } else if (answer.kind == AnswerKind::error) {
    decode_error(answer.bytes, end.error_type, end.error_message);
    if (end.error_type == worker_died_type) end.reason = Reason::worker_died;  // its co-process
  } else {
    end.error_type = "WorkerDied";
    end.error_message = answer.bytes;
    if (is_command) end.state = JobState::lost;
  }
  row.spec.kind = is_command ? JobKind::command : JobKind::function;
  row.state = end.state;
  row.outcome = std::move(end);
  return row;
}

std::string why_it_failed(const ipc::JobRow& row) {
  const Outcome& end = *row.outcome;
  if (!end.error_type.empty()) return end.error_type + ": " + end.error_message;
  if (end.signal) return "ended by " + signal_name(*end.signal);
  return "exit code " + std::to_string(end.exit_code.value_or(1));
}

/// {"started_us", "duration_s", "exit_code", "signal": number or 0, "stdout_bytes"}
std::string end_of(const ipc::JobRow& row) {
  const Outcome& end = *row.outcome;
  ipc::OrderedJson told{
      {"started_us", end.started},
      {"duration_s", end.duration_s()},
      {"exit_code", exit_code_of_job(row.state, end.reason, JobKind::command, end.exit_code, end.signal)},
      {"signal", end.signal.value_or(0)},
      {"stdout_bytes", end.stdout_bytes}};
  return told.dump();
}

}  // namespace

MapRun::MapRun(Services& given, std::shared_ptr<ipc::Channel> to, std::shared_ptr<HeldCalls> with,
               bool runs_commands, bool gives_records, bool gives_ends)
    : services(given),
      channel(std::move(to)),
      session(std::move(with)),
      bell(given.loop),
      is_command(runs_commands),
      records(gives_records),
      tells_ends(gives_ends) {}

void MapRun::end_calls() {
  if (std::exchange(closed, true)) return;
  session->close();
}

void MapRun::close() {
  end_calls();
  for (const std::uint64_t id : files)
    ::unlink((services.state_dir + "/output/" + std::to_string(id) + ".out").c_str());
  files.clear();
  bell.ring();
}

/// [index, what goes to stdout, why it failed or null]; the second is bytes, null, or {"file": path}. Where
/// ends are told: a fourth, see end_of().
void MapRun::append(std::string& results, const HeldCalls::Answer& answer) {
  ipc::JobRow row = row_of(answer.what, is_command);
  const bool succeeded = row.state == JobState::succeeded;
  if (results.back() != '[') results += ',';
  results += "[" + std::to_string(answer.index) + ",";
  if (records) {
    complete_row(row, nullptr, services.state_dir);
    ipc::append_wire(results, ipc::call_record_text(row, answer.index));
  } else if (!succeeded) {
    results += "null";
  } else if (!is_command) {
    ipc::append_wire(results, row.outcome->result_json);
  } else if (row.outcome->stdout_in_file) {
    files.insert(row.outcome->job);
    results += R"({"file":)";
    ipc::append_wire(results, output_of(row, Stream::out, services.state_dir, "").path);
    results += "}";
  } else {
    ipc::append_wire(results, row.outcome->stdout_inline);
  }
  results += ",";
  if (succeeded)
    results += "null";
  else
    ipc::append_wire(results, why_it_failed(row));
  if (tells_ends) results += "," + end_of(row);
  results += "]";
  if (records && row.outcome->stdout_in_file) files.insert(row.outcome->job);
}

void MapRun::take(const std::vector<HeldCalls::Answer>& answers) {
  std::string line = R"({"jsonrpc":"2.0","method":"map.results","params":{"results":[)";
  for (const auto& answer : answers) append(line, answer);
  channel->send(line + "]}}");
  if (ended && session->unanswered() == 0) bell.ring();
  if (channel->unsent_bytes() < unread_max_bytes || session->is_paused()) return;
  session->pause();
  Fiber::spawn([self = shared_from_this()] {
    if (!self->channel->drain() || self->closed) return;
    self->session->go_on();
  });
}

}  // namespace tine
