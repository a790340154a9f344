#pragma once
#include <string>

#include "core/base/result.hpp"
#include "core/base/unique_fd.hpp"

namespace tine {

/// The daemon's folder, made if absent (0700 whatever the umask), with its inner folders, locked for the
/// holder's life. Errors: Errc::already_running where another daemon holds it; Errc::not_permitted for
/// another uid's folder.
Result<UniqueFd> take_state_dir(const std::string& path);

}  // namespace tine
