#pragma once
#include <chrono>
#include <functional>

namespace tine::test {

/// Waits until `predicate` holds, and returns whether it did within the time. For conditions that nobody
/// announces.
bool eventually(const std::function<bool()>& predicate,
                std::chrono::milliseconds within = std::chrono::seconds(20));

}  // namespace tine::test
