#include "core/shared/job_mark.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include "tests/support/temp_folder.hpp"

namespace tine::shared {
namespace {

using test::TempFolder;

TEST_CASE("job mark: is seen as soon as it is made, by who has looked before as well") {
  const TempFolder folder;
  MarkedJobs marked(folder.path);
  for (std::uint64_t id = 1; id <= 200; ++id) {
    const Owner job = owner_of_job(id, 1);
    CHECK_FALSE(marked.contains(job));
    REQUIRE(mark_job(folder.path, job));
    CHECK(marked.contains(job));
    CHECK_FALSE(marked.contains(owner_of_job(id, 2)));
  }
  CHECK(marked_jobs(folder.path).size() == 200);
}

TEST_CASE("job mark: one that was made long before is still known, and gone when it is removed") {
  const TempFolder folder;
  MarkedJobs marked(folder.path);
  const Owner old = owner_of_job(7, 1), later = owner_of_job(8, 3);
  REQUIRE(mark_job(folder.path, old));
  CHECK_FALSE(marked.contains(later));
  ::usleep(50'000);  // the folder's time is settled: nothing but that is looked at
  CHECK(marked.contains(old));
  CHECK(marked.contains(old));
  REQUIRE(mark_job(folder.path, later));
  CHECK(marked.contains(later));
  remove_mark(folder.path, old);
  CHECK_FALSE(marked.contains(old));
  CHECK(has_mark(folder.path, later));
}

}  // namespace
}  // namespace tine::shared
