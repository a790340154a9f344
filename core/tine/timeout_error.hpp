#pragma once
#include <stdexcept>

namespace tine {

/// The time given for something is over.
struct TimeoutError : std::runtime_error {
  TimeoutError() : std::runtime_error("timed out") {}
  using std::runtime_error::runtime_error;
};

}  // namespace tine
