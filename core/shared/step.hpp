#pragma once
#ifdef TINE_FAILPOINTS
#include <atomic>
#endif

namespace tine::shared {

/// Named points between two stores to shared memory: a test kills the process at each of them. Nothing at all
/// in a build without failpoints.
#ifdef TINE_FAILPOINTS
inline std::atomic<void (*)(const char* name)> step_hook{nullptr};
inline void step(const char* name) {
  if (auto* hook = step_hook.load(std::memory_order_relaxed)) hook(name);
}
#else
inline void step(const char*) {}
#endif

}  // namespace tine::shared
