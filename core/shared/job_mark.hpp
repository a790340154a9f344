#pragma once
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/shared/owner.hpp"

/// An attempt of a job that takes what may outlive its processes (a lock, a lease) leaves a mark, a file in
/// the shared folder: so the end of an attempt that did not costs one system call.
namespace tine::shared {

/// At once when this process has marked it already. Errors: errno of creating a file.
Status mark_job(const std::string& shared_folder, Owner job);
bool has_mark(const std::string& shared_folder, Owner job);
void remove_mark(const std::string& shared_folder, Owner job);
std::vector<Owner> marked_jobs(const std::string& shared_folder);

}  // namespace tine::shared
