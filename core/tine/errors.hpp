#pragma once
#include <stdexcept>
#include <string>
#include <tine/timeout_error.hpp>
#include <utility>

namespace tine {

/// An exception that left the function in the other process. what() is the message of the original.
class RemoteError : public std::runtime_error {
 public:
  RemoteError(std::string type_name, const std::string& message)
      : std::runtime_error(message), type_name_(std::move(type_name)) {}
  const std::string& type_name() const { return type_name_; }  ///< of the original: "std::out_of_range"

 private:
  std::string type_name_;
};

/// The process that ran the call ended before it had answered.
class WorkerDied : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace tine
