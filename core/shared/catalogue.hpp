#pragma once
#include <functional>
#include <string>
#include <vector>

#include "core/shared/folder.hpp"

/// All named structures together: what the daemon does at a job's end and at its start, and what `tine
/// doctor` tells. Each waits at most `patience` for a structure that somebody is in the middle of; none
/// belongs on a loop that others wait for.
namespace tine::shared {

inline constexpr std::chrono::milliseconds patience{1000};

/// Frees the locks and returns the leases of an attempt that has ended. False: it had left no mark, nothing
/// was to do.
bool end_job(const std::string& state_dir, Owner job);

/// At the daemon's start: drops what another boot left, frees locks and leases whose owners are gone;
/// `is_running` says it of attempts. What a person should know, a line each.
std::vector<std::string> recover(const std::string& state_dir, const std::function<bool(Owner)>& is_running);

struct Finding {
  Kind kind;
  std::string name;
  std::string trouble;  ///< "": whole
};
/// Looks at every structure as closely as it can be looked at.
std::vector<Finding> check_all(const Folder& folder);

}  // namespace tine::shared
