#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/job/job.hpp"

/// The texts in which a job's conditions are written on the command line and in a batch.
namespace tine {

/// "afterok:1:2,afterany:3,afternotok:4", as Slurm has them; an id may be a range 5-9.
/// Errors: Errc::usage, saying what is allowed.
Result<std::vector<Dependency>> parse_dependencies(std::string_view text);

/// "3,7,10-12": ids of one kind of dependency. Errors: Errc::usage.
Result<std::vector<JobId>> parse_ids(std::string_view text);

/// The elements of an array of jobs.
struct ArrayRange {
  std::vector<std::uint32_t> indexes;  ///< ascending, each once
  std::uint32_t at_once_max = 0;       ///< how many may run at the same time, 0: all
};
inline constexpr std::size_t array_elements_max = 100'000;
inline constexpr std::uint32_t array_index_max = 10'000'000;

/// "0-99", "0-99:2", "0-99:2%10", "1,5,20-30". Errors: Errc::usage, saying what is allowed.
Result<ArrayRange> parse_array(std::string_view text);

}  // namespace tine
