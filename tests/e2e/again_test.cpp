#include <doctest/doctest.h>

#include "tests/support/eventually.hpp"
#include "tests/support/test_daemon.hpp"

using namespace tine::test;

TEST_CASE("retries: a failed job is tried again, and the last attempt is its end") {
  TestDaemon daemon;
  const auto id =
      daemon.submit({"--retries", "3", "--shell", "echo try $TINE_ATTEMPT; test $TINE_ATTEMPT = 3"});
  const auto record = daemon.wait(id);
  CHECK(record["state"] == "succeeded");
  CHECK(record["attempt"] == 3);
  CHECK(record["stdout"] == "try 3\n");

  const auto hopeless = daemon.submit({"--retries", "1", "-t", "100ms", "sleep", "600"});
  CHECK(daemon.tine({"wait", hopeless}).exit_status == 124);
  CHECK(daemon.record(hopeless)["attempt"] == 2);
  const auto fine = daemon.submit({"--retries", "5", "true"});
  CHECK(daemon.wait(fine)["attempt"] == 1);
}

TEST_CASE("retries: between attempts a job waits, and can be cancelled") {
  TestDaemon daemon;
  const auto id = daemon.submit({"--retries", "3", "--retry-delay", "1h", "--backoff", "2", "false"});
  CHECK(eventually([&] { return daemon.record(id)["state"] == "waiting"; }));
  CHECK(daemon.record(id)["attempt"] == 1);
  CHECK(daemon.tine({"why", id}).out.find("waits until") != std::string::npos);
  daemon.restart();
  CHECK(daemon.record(id)["state"] == "waiting");
  CHECK(daemon.tine({"cancel", id}).exit_status == 0);
  CHECK(daemon.wait(id)["state"] == "cancelled");
}

TEST_CASE("retries: a cancelled job is not tried again") {
  TestDaemon daemon;
  const auto id = daemon.submit({"--retries", "3", "sleep", "600"});
  CHECK(eventually([&] { return daemon.record(id)["state"] == "running"; }));
  CHECK(daemon.tine({"cancel", id}).exit_status == 0);
  const auto record = daemon.wait(id);
  CHECK(record["state"] == "cancelled");
  CHECK(record["attempt"] == 1);
}

TEST_CASE("retries: a job that kills its workers is given up") {
  TestDaemon daemon;
  const auto id = daemon.submit({"--retries", "100", "--shell", "kill -9 $PPID; sleep 600"});
  const auto record = daemon.wait(id);
  CHECK(record["state"] == "lost");
  CHECK(record["reason"] == "worker_died");
  CHECK(record["attempt"] == 5);
  CHECK(daemon.wait(daemon.submit({"true"}))["state"] == "succeeded");
}

TEST_CASE("retries: no attempt is lost or run twice while the daemon dies") {
  TestDaemon daemon;
  const auto id = daemon.submit({"-w", daemon.folder(), "--retries", "4", "--retry-delay", "50ms", "--shell",
                                 "echo $TINE_ATTEMPT >>attempts; sleep 0.2; exit 1"});
  for (int i = 0; i < 4; ++i) {
    const auto before = read_whole_file(daemon.path("attempts")).size();
    CHECK(eventually([&] {
      return read_whole_file(daemon.path("attempts")).size() > before ||
             daemon.record(id)["state"] == "failed";
    }));
    daemon.restart();
  }
  const auto record = daemon.wait(id);
  CHECK(record["state"] == "failed");
  CHECK(record["attempt"] == 5);
  CHECK(read_whole_file(daemon.path("attempts")) == "1\n2\n3\n4\n5\n");
}

TEST_CASE("retries of a run: its caller waits for the last attempt") {
  TestDaemon daemon;
  const auto ran =
      daemon.tine({"run", "--retries", "2", "--shell", "echo $TINE_ATTEMPT; test $TINE_ATTEMPT = 2"});
  CHECK(ran.exit_status == 0);
  CHECK(ran.out == "1\n2\n");
}

TEST_CASE("retry: a new job with a new id from the same spec, its stdin too") {
  TestDaemon daemon;
  const auto submitted = daemon.tine(
      {"submit", "-n", "name", "--label", "a=b", "--stdin", "-", "--shell", "cat; echo $X; exit 3"},
      "input\n");
  const auto id = submitted.out.substr(0, submitted.out.size() - 1);
  daemon.wait(id);
  const auto retried = daemon.tine({"retry", id});
  CHECK(retried.exit_status == 0);
  const auto again = daemon.wait(retried.out.substr(0, retried.out.size() - 1));
  CHECK(again["id"] != daemon.record(id)["id"]);
  CHECK(again["name"] == "name");
  CHECK(again["labels"]["a"] == "b");
  CHECK(again["exit_code"] == 3);
  CHECK(again["stdout"] == "input\n\n");
  CHECK(daemon.record(id)["state"] == "failed");

  const auto running = daemon.submit({"sleep", "600"});
  CHECK(daemon.tine({"retry", running}).exit_status == 1);
  CHECK(daemon.tine({"retry", "4711"}).exit_status == 1);
  CHECK(daemon.tine({"cancel", running}).exit_status == 0);
}

TEST_CASE("unique: skip prints who has the key, error refuses, queue waits, replace cancels") {
  TestDaemon daemon;
  const auto first = daemon.submit({"--unique", "nightly", "sleep", "600"});
  CHECK(daemon.submit({"--unique", "nightly", "true"}) == first);
  const auto refused = daemon.tine({"submit", "--unique", "nightly", "--on-duplicate", "error", "true"});
  CHECK(refused.exit_status == 75);
  CHECK(refused.err.find("nightly") != std::string::npos);
  const auto second = daemon.submit({"--unique", "nightly", "--on-duplicate", "queue", "true"});
  CHECK(daemon.record(second)["state"] == "waiting");
  daemon.restart();
  CHECK(daemon.submit({"--unique", "nightly", "true"}) == first);
  CHECK(daemon.record(second)["state"] == "waiting");
  const auto third = daemon.submit({"--unique", "nightly", "--on-duplicate", "replace", "true"});

  CHECK(daemon.wait(third)["state"] == "succeeded");
  CHECK(daemon.wait(first)["state"] == "cancelled");
  CHECK(daemon.wait(second)["state"] == "cancelled");
  CHECK(daemon.submit({"--unique", "nightly", "true"}) > third);
  CHECK(daemon.tine({"submit", "--unique", "k", "--on-duplicate", "maybe", "true"}).exit_status == 2);
  CHECK(daemon.tine({"submit", "--on-duplicate", "skip", "true"}).exit_status == 2);
  CHECK(daemon.tine({"submit", "--unique", std::string(1 << 16, 'k'), "true"}).exit_status == 2);
}

TEST_CASE("unique: of many at once one is stored, however they are sent") {
  TestDaemon daemon;
  const auto sent = daemon.sh(
      "for i in $(seq 20); do \"$tine\" submit --unique k sleep 600 & done | sort -u | tee id; wait");
  CHECK(std::count(sent.out.begin(), sent.out.end(), '\n') == 1);
  CHECK(json_lines(daemon.tine({"list", "--json"}).out).size() == 1);
  CHECK(daemon.sh("\"$tine\" cancel $(cat id)").exit_status == 0);
}

TEST_CASE("idempotency key: one job, whatever crashes in between") {
  TestDaemon daemon;
  const auto first = daemon.submit({"--idempotency-key", "order-7", "true"});
  CHECK(daemon.submit({"--idempotency-key", "order-7", "true"}) == first);
  daemon.wait(first);
  daemon.restart();
  CHECK(daemon.submit({"--idempotency-key", "order-7", "false"}) == first);
  const auto sent =
      daemon.sh("for i in $(seq 20); do \"$tine\" submit --idempotency-key k true & done | sort -u; wait");
  CHECK(std::count(sent.out.begin(), sent.out.end(), '\n') == 1);
  CHECK(json_lines(daemon.tine({"list", "--json"}).out).size() == 2);
}
