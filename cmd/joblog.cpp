#include "cmd/joblog.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cmd/job_record.hpp"
#include "core/base/clock.hpp"
#include "core/base/file.hpp"

namespace tine::cmd {
namespace {

using ipc::Json;

constexpr std::string_view head =
    "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n";

Error unwritten(const std::string& path, const Error& error) {
  return make_error(Errc::io, "--joblog " + path + ": " + error.message());
}

std::string shell_word(std::string_view word) {
  constexpr std::string_view plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=,@%+";
  if (!word.empty() && word.find_first_not_of(plain) == std::string_view::npos) return std::string(word);
  std::string text = "'";
  for (const char c : word) {
    if (c == '\'')
      text += "'\\''";
    else
      text += c;
  }
  return text + "'";
}

std::string text_of(const Json& value) {
  const auto bytes = ipc::from_wire(value);
  return bytes ? *bytes : value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string command_of(const Json& record) {
  const auto& command = record.contains("command") ? record["command"] : Json();
  if (command.is_array()) {
    std::vector<std::string> words;
    for (const auto& word : command) words.push_back(text_of(word));
    return shell_text(words);
  }
  if (!command.is_null()) return text_of(command);
  return text_of(record.value("function", Json(""))) +
         record.value("args", Json::array()).dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

Result<Joblog> Joblog::create(const std::optional<std::string_view>& path) {
  Joblog log;
  if (!path) return log;
  log.path_ = *path;
  log.file_.reset(::open(log.path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (!log.file_) return make_error(Errc::cannot_create, errno_error("--joblog " + log.path_).message());
  if (const auto written = write_all(log.file_.get(), head); !written)
    return unwritten(log.path_, written.error());
  return log;
}

Status Joblog::add(const Row& row) {
  if (!file_) return ok();
  char numbers[160];
  std::snprintf(numbers, sizeof numbers, "%llu\t:\t%.3f\t%10.3f\t0\t%llu\t%d\t%d\t",
                static_cast<unsigned long long>(row.seq), static_cast<double>(row.started) / 1e6,
                row.duration_s, static_cast<unsigned long long>(row.stdout_bytes), row.exit_code, row.signal);
  std::string line = numbers + row.command;
  std::replace(line.begin(), line.end(), '\n', ' ');  // a row is a line
  // One write: whoever reads along sees whole rows.
  const auto written = write_all(file_.get(), line + "\n");
  return written ? ok() : Status(unwritten(path_, written.error()));
}

Joblog::Row joblog_row(const Json& record, std::uint64_t seq) {
  Joblog::Row row;
  row.seq = seq;
  row.command = command_of(record);
  if (const auto at = record.find("started_at"); at != record.end() && at->is_string())
    if (const auto started = parse_rfc3339(at->get<std::string>())) row.started = *started;
  if (const auto took = record.find("duration_s"); took != record.end() && took->is_number())
    row.duration_s = took->get<double>();
  if (const auto bytes = record.find("stdout_bytes"); bytes != record.end() && bytes->is_number_unsigned())
    row.stdout_bytes = bytes->get<std::uint64_t>();
  const auto state = state_of(record);
  const auto signal = record.find("signal");
  const bool by_signal = state == "failed" && signal != record.end() && signal->is_string();
  if (by_signal) row.signal = signal_from(signal->get<std::string>()).value_or(0);
  if (!by_signal) row.exit_code = exit_code_of_record(record);
  return row;
}

std::string shell_text(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text.append(text.empty() ? "" : " ").append(shell_word(word));
  return text;
}

}  // namespace tine::cmd
