#pragma once
#include <asio/io_context.hpp>
#include <string>

#include "core/base/result.hpp"
#include "core/base/unique_fd.hpp"

namespace tine {

/// The writing end of a pipe whose lines go to the log, `who` before each. Nothing remains of it when all
/// writers have gone. Errors: EMFILE.
Result<UniqueFd> open_log_pipe(asio::io_context& loop, std::string who);

}  // namespace tine
