#pragma once
#include <chrono>
#include <functional>

namespace tine::test {

/// Waits until `predicate` holds, and returns whether it did within the time. For conditions that nobody
/// announces. The time is for a machine that has none to spare: what is asked for takes milliseconds.
bool eventually(const std::function<bool()>& predicate,
                std::chrono::milliseconds within = std::chrono::seconds(60));

}  // namespace tine::test
