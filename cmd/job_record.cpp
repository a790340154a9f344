#include "cmd/job_record.hpp"

#include <nlohmann/json.hpp>

#include "core/base/quantity.hpp"
#include "ipc/member_text.hpp"

namespace tine::cmd {
namespace {

using ipc::Json;

std::string text(const Json& record, const char* key) {
  const auto found = record.find(key);
  return found != record.end() && found->is_string() ? found->get<std::string>() : "";
}

std::optional<int> signal_of(const Json& record) {
  const auto name = text(record, "signal");
  return name.empty() ? std::nullopt : signal_from(name);
}

std::optional<int> code_of(const Json& record) {
  const auto found = record.find("exit_code");
  if (found == record.end() || !found->is_number_integer()) return std::nullopt;
  return found->get<int>();
}

}  // namespace

int exit_code_of_record(const Json& record) {
  const auto state = job_state_from(state_of(record)).value_or(JobState::lost);
  const auto reason = text(record, "reason") == "dependency" ? Reason::dependency : Reason::none;
  if (reason == Reason::dependency) return 125;
  return exit_code_of_job(state, reason, is_function(record) ? JobKind::function : JobKind::command,
                          code_of(record), signal_of(record));
}

bool succeeded(const Json& record) { return state_of(record) == "succeeded"; }

JobId id_of(const Json& record) {
  const auto found = record.find("id");
  return found != record.end() && found->is_number_unsigned() ? found->get<JobId>() : 0;
}

int exit_code_of_record(std::string_view record) { return exit_code_of_record(Json::parse(record)); }

bool succeeded(std::string_view record) { return ipc::member_text(record, "state") == R"("succeeded")"; }

JobId id_of(std::string_view record) {
  const auto id = parse_integer(ipc::member_text(record, "id"), 0, INT64_MAX);
  return id ? static_cast<JobId>(*id) : 0;
}

bool is_function(const Json& record) { return text(record, "kind") == "function"; }

std::string state_of(const Json& record) { return text(record, "state"); }

std::string error_text(const Json& record) {
  const auto error = record.find("error");
  if (error == record.end() || !error->is_object()) return "";
  return text(*error, "type") + ": " + text(*error, "message");
}

}  // namespace tine::cmd
