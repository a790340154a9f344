#include "daemon/gates.hpp"

#include <doctest/doctest.h>

namespace tine {
namespace {

JobSpec after(After kind, JobId job) {
  JobSpec spec;
  spec.dependencies = {{kind, job}};
  return spec;
}

TEST_CASE("gates: a job opens when all it waits for has ended as asked") {
  Gates gates;
  JobSpec spec = after(After::ok, 1);
  spec.dependencies.push_back({After::any, 2});
  gates.enter(3, spec, 0, {});
  CHECK_FALSE(gates.is_open(3, 0));
  CHECK(gates.job_ended(1, JobState::succeeded).empty());
  CHECK(gates.why(3, 0) == "waits for the end of 2 (afterany)");
  CHECK(gates.job_ended(2, JobState::lost) == std::vector<JobId>{3});
  CHECK(gates.is_open(3, 0));
  CHECK(gates.broken_by(3) == 0);
}

TEST_CASE("gates: a dependency that cannot hold is named") {
  Gates gates;
  gates.enter(3, after(After::ok, 1), 0, {});
  gates.enter(4, after(After::not_ok, 1), 0, {});
  gates.enter(5, after(After::ok, 2), 0, {{2, JobState::cancelled}});
  CHECK(gates.broken_by(5) == 2);
  CHECK(gates.job_ended(1, JobState::timed_out) == std::vector<JobId>{3, 4});
  CHECK(gates.broken_by(3) == 1);
  CHECK(gates.broken_by(4) == 0);
  CHECK(gates.is_open(4, 0));
}

TEST_CASE("gates: who is asked for is remembered until nobody asks") {
  Gates gates;
  gates.enter(3, after(After::ok, 1), 0, {});
  gates.enter(4, after(After::ok, 1), 0, {});
  gates.job_ended(1, JobState::succeeded);
  gates.leave(3);
  CHECK(gates.depended_on().contains(1));
  gates.leave(4);
  CHECK(gates.depended_on().empty());
}

TEST_CASE("gates: a time, moved and come") {
  Gates gates;
  gates.enter(1, {}, 100, {});
  gates.enter(2, {}, 50, {});
  CHECK(gates.next_due() == Micros{50});
  CHECK(gates.due(60) == std::vector<JobId>{2});
  CHECK(gates.is_open(2, 60));
  CHECK_FALSE(gates.is_open(1, 60));
  gates.delay_until(1, 200);
  CHECK(gates.due(150).empty());
  gates.leave(1);
  CHECK_FALSE(gates.next_due());
}

TEST_CASE("gates: attempts are counted, and their delays grow, never below what was asked") {
  Gates gates;
  JobSpec spec;
  spec.retries = 2;
  spec.retry_delay_s = 1;
  spec.backoff = 3;
  gates.enter(1, spec, 0, {});
  const Micros first = *gates.retry_at(1, 1, 0), second = *gates.retry_at(1, 2, 0);
  CHECK(first >= 1'000'000);
  CHECK(first <= 1'100'000);
  CHECK(second >= 3'000'000);
  CHECK(second <= 3'300'000);
  CHECK_FALSE(gates.retry_at(1, 3, 0));
  CHECK_FALSE(gates.retry_at(9, 1, 0));
}

TEST_CASE("gates: places of an array go to the oldest that waits") {
  Gates gates;
  JobSpec spec;
  spec.array_id = 10;
  spec.array_max = 2;
  for (JobId id = 10; id < 14; ++id) gates.enter(id, spec, 0, {});
  CHECK(gates.take_place(10));
  CHECK(gates.take_place(11));
  CHECK_FALSE(gates.take_place(13));
  CHECK_FALSE(gates.take_place(12));
  CHECK(gates.take_place(10));
  CHECK(gates.give_place_back(10) == JobId{12});
  CHECK(gates.take_place(12));
  CHECK_FALSE(gates.give_place_back(13));
  CHECK_FALSE(gates.give_place_back(11));
  CHECK(gates.take_place(99));
}

TEST_CASE("gates: a key has its holders, oldest first") {
  Gates gates;
  JobSpec spec;
  spec.unique_key = "k";
  gates.claim("k", 1);
  gates.enter(1, spec, 0, {});
  gates.enter(2, spec, 0, {});
  CHECK(gates.holders_of("k") == std::vector<JobId>{1, 2});
  gates.leave(1);
  CHECK(gates.holders_of("k") == std::vector<JobId>{2});
  CHECK(gates.holders_of("other").empty());
}

}  // namespace
}  // namespace tine
