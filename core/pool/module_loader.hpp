#pragma once
#include <string>

#include "core/base/result.hpp"
#include "core/pool/functions.hpp"

namespace tine {

/// Loads a shared object and registers its functions. It stays loaded.
/// Errors: Errc::usage naming the path: it cannot be loaded, exports no tine_module_load_v1, a name is taken,
/// it throws, or it leaves threads running (a fork would lose them, and keep their locks).
Status load_module(const std::string& path, Functions& functions);

}  // namespace tine
