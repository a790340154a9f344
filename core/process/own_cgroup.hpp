#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace tine {

/// The path of this process's cgroup, "/a/b": in the hierarchy of v1 that has `controller`, or, for "", in
/// v2. nullopt: there is no such hierarchy. In a cgroup namespace it begins at the namespace's root.
std::optional<std::string> own_cgroup(std::string_view controller);

}  // namespace tine
