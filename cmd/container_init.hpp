#pragma once
#include <string>
#include <vector>

namespace tine {

/// `tined --init`: a container's PID 1. Runs tined with `arguments` as its child, forwards signals to it,
/// reaps whatever comes, and returns its exit code (128+N for signal N). A tined that a signal killed is
/// started again, at most five times a minute.
int run_container_init(const std::vector<std::string>& arguments);

}  // namespace tine
