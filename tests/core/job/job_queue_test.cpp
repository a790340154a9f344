#include "core/job/job_queue.hpp"

#include <doctest/doctest.h>

using tine::JobId;
using tine::JobQueue;

namespace {
const auto all = [](JobId) { return true; };
}

TEST_CASE("job queue: higher priority first, then the order of arrival") {
  JobQueue queue;
  queue.push(1, 0);
  queue.push(2, 5);
  queue.push(3, 0);
  queue.push(4, -1);
  CHECK(queue.pop(all) == 2);
  CHECK(queue.pop(all) == 1);
  CHECK(queue.pop(all) == 3);
  CHECK(queue.pop(all) == 4);
  CHECK_FALSE(queue.pop(all));
  CHECK(queue.is_empty());
}

TEST_CASE("job queue: what is put back comes first of its priority") {
  JobQueue queue;
  queue.push(1, 0);
  queue.push_front(2, 0);
  queue.push_front(3, -1);
  CHECK(queue.pop(all) == 2);
  CHECK(queue.pop(all) == 1);
  CHECK(queue.pop(all) == 3);
}

TEST_CASE("job queue: what nobody wants any more is skipped") {
  JobQueue queue;
  for (JobId id = 1; id <= 4; ++id) queue.push(id, 0);
  CHECK(queue.pop([](JobId id) { return id > 2; }) == 3);
  CHECK_FALSE(queue.pop([](JobId) { return false; }));
}
