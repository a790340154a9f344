#pragma once
#include <string_view>

#include "core/job/job.hpp"
#include "ipc/client.hpp"

/// What the client reads in a job record (contract 3).
namespace tine::cmd {

/// The exit code that one job passes through (contract 2).
int exit_code_of_record(const ipc::Json& record);
bool succeeded(const ipc::Json& record);
JobId id_of(const ipc::Json& record);
/// The same of a record as tined writes it.
int exit_code_of_record(std::string_view record);
bool succeeded(std::string_view record);
JobId id_of(std::string_view record);
bool is_function(const ipc::Json& record);
std::string state_of(const ipc::Json& record);
/// "TYPE: message" of its error; "": it has none.
std::string error_text(const ipc::Json& record);

}  // namespace tine::cmd
