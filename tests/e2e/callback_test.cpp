#include <doctest/doctest.h>

#include "tests/support/eventually.hpp"
#include "tests/support/test_daemon.hpp"

using namespace tine::test;

namespace {

Json callback_when_done(const TestDaemon& daemon, const std::string& id) {
  Json callback;
  eventually([&] {
    callback = daemon.record(id)["callback"];
    return callback.is_object() && callback["state"] != "pending";
  });
  return callback;
}

}  // namespace

TEST_CASE("callback: has the job record on its stdin and the job's surroundings") {
  TestDaemon daemon;

  const auto id =
      daemon.submit({"-w", daemon.folder(), "-e", "WORD=given", "--callback",
                     "cat >record.json; echo $TINE_JOB_ID $WORD >about", "--shell", "echo out; exit 3"});
  const auto callback = callback_when_done(daemon, id);

  CHECK(callback["state"] == "succeeded");
  CHECK(callback["exit_code"] == 0);
  CHECK(callback["attempts"] == 1);
  CHECK_FALSE(callback["event_id"].get<std::string>().empty());
  const auto record = Json::parse(read_whole_file(daemon.path("record.json")));
  CHECK(record["id"] == std::stoull(id));
  CHECK(record["state"] == "failed");
  CHECK(record["exit_code"] == 3);
  CHECK(record["stdout"] == "out\n");
  CHECK(read_whole_file(daemon.path("about")) == id + " given\n");
}

TEST_CASE("callback: one that fails is told and does not harm the job") {
  TestDaemon daemon;

  const auto id = daemon.submit({"--callback", "exit 5", "--", "true"});
  const auto callback = callback_when_done(daemon, id);

  CHECK(callback["state"] == "failed");
  CHECK(callback["exit_code"] == 5);
  CHECK(callback["attempts"] == 1);
  CHECK(daemon.record(id)["state"] == "succeeded");
}

TEST_CASE("callback: one that hangs holds no slot and ends at its timeout") {
  TestDaemon daemon({R"({"pools": [{"name": "default", "size": 1}], "callback_timeout": "1s"})"});

  const auto id = daemon.submit({"--callback", "sleep 600", "--", "true"});
  CHECK(daemon.tine({"run", "true"}).exit_status == 0);

  CHECK(callback_when_done(daemon, id)["state"] == "failed");
  CHECK(daemon.record(id)["state"] == "succeeded");
}

TEST_CASE("callback: a cancelled job calls back too") {
  TestDaemon daemon;
  const auto id =
      daemon.submit({"-w", daemon.folder(), "--callback", "cat >record.json", "--", "sleep", "600"});

  daemon.tine({"cancel", id});

  CHECK(callback_when_done(daemon, id)["state"] == "succeeded");
  CHECK(Json::parse(read_whole_file(daemon.path("record.json")))["state"] == "cancelled");
}
