#pragma once

namespace tine {

/// Writes out what stdio and iostream hold. Before a fork, or the child would print it a second time; and
/// before _exit(2), which drops it.
void flush_standard_streams();

}  // namespace tine
