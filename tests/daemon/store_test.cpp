#include "daemon/store.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <future>

#include "tests/support/temp_folder.hpp"

using namespace tine;
using test::TempFolder;

namespace {

/// Callbacks on the store's own thread: these tests have no loop.
std::unique_ptr<Store> open_in(const TempFolder& folder) {
  auto store = Store::open(folder.path, Durability::power, [](std::function<void()> work) { work(); });
  REQUIRE(store);
  return std::move(*store);
}

Status ask(Store& store, Store::Work work) {
  std::promise<Status> answer;
  store.submit(std::move(work), [&](Status status) { answer.set_value(std::move(status)); });
  return answer.get_future().get();
}

Status insert(JobTable& table, JobId id, const std::string& environment = "A=B") {
  JobSpec spec;
  spec.argv = {"true"};
  auto environment_id = table.environment(environment);
  if (!environment_id) return environment_id.error();
  return table.insert({id, JobState::queued, 1, &spec, encode(spec)}, *environment_id);
}

}  // namespace

TEST_CASE("store: what was committed is there after it is opened again") {
  const TempFolder folder;
  {
    auto store = open_in(folder);
    CHECK(ask(*store, [](JobTable& table) { return insert(table, 1); }));
  }
  auto store = open_in(folder);
  CHECK(store->missing().empty());
  CHECK(store->first_free_id() == 2);
  CHECK(store->now([](JobTable& table) -> Status {
    auto row = table.row(1);
    CHECK((row && *row && (*row)->spec.argv[0] == "true"));
    return ok();
  }));
}

TEST_CASE("store: a work that fails leaves nothing behind, its neighbours are kept") {
  const TempFolder folder;
  auto store = open_in(folder);
  CHECK(ask(*store, [](JobTable& table) { return insert(table, 1); }));
  CHECK_FALSE(ask(*store, [](JobTable& table) -> Status {
    if (auto status = insert(table, 2); !status) return status;
    return make_error(Errc::io, "no");
  }));
  CHECK(ask(*store, [](JobTable& table) -> Status {
    CHECK(table.ids(1, 9, 10)->size() == 1);
    return ok();
  }));
}

TEST_CASE("store: an end never changes") {
  const TempFolder folder;
  auto store = open_in(folder);
  CHECK(store->now([](JobTable& table) -> Status {
    if (auto status = insert(table, 1); !status) return status;
    CHECK(table.finish(1, JobState::failed, encode(Outcome{}), ""));
    CHECK(table.finish(1, JobState::succeeded, encode(Outcome{}), ""));
    CHECK((*table.row(1))->state == JobState::failed);
    return ok();
  }));
}

TEST_CASE("store: says what a damaged store lost, and uses no acknowledged id again") {
  const TempFolder folder;
  { auto store = open_in(folder); }
  std::filesystem::copy(folder.path + "/jobs.db", folder.path + "/old.db");
  {
    auto store = open_in(folder);
    CHECK(ask(*store, [](JobTable& table) { return insert(table, 5); }));
  }
  std::filesystem::remove(folder.path + "/jobs.db-wal");
  std::filesystem::rename(folder.path + "/old.db", folder.path + "/jobs.db");
  auto store = open_in(folder);
  CHECK(store->missing().find("missing") != std::string::npos);
  CHECK(store->first_free_id() == 6);
}

TEST_CASE("store: equal environments are stored once") {
  const TempFolder folder;
  auto store = open_in(folder);
  CHECK(store->now([](JobTable& table) -> Status {
    const auto first = table.environment("A=1");
    CHECK(*table.environment("A=1") == *first);
    CHECK(*table.environment("A=2") != *first);
    return ok();
  }));
}

TEST_CASE("store: its log does not grow with what is stored") {
  const TempFolder folder;
  auto store = open_in(folder);
  const std::string environment(200'000, 'e');
  // Each has an environment of its own: 100 MB.
  for (JobId id = 1; id <= 500; ++id)
    REQUIRE(
        ask(*store, [&](JobTable& table) { return insert(table, id, std::to_string(id) + environment); }));
  CHECK(std::filesystem::file_size(folder.path + "/jobs.db-wal") < 20'000'000);
}
