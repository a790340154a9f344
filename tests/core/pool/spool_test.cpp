#include "core/pool/spool.hpp"

#include <doctest/doctest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/support/temp_folder.hpp"

namespace tine {
namespace {

constexpr std::uint64_t places = 32;

struct StateDir : test::TempFolder {
  StateDir() { std::filesystem::create_directory(path + "/spool"); }
};

const WorkerSeat third_seat{"key-1", "io", 3};

std::unique_ptr<Spool> create(const StateDir& dir, const WorkerSeat& whose = third_seat) {
  auto spool = Spool::create(dir.path, whose);
  REQUIRE(spool);
  return std::move(*spool);
}

std::unique_ptr<Spool> attach(const StateDir& dir) {
  auto spool = Spool::attach(dir.path, "key-1");
  REQUIRE(spool);
  return std::move(*spool);
}

TEST_CASE("spool: the daemon sees whose it is") {
  const StateDir dir;
  const auto worker = Spool::create(dir.path, third_seat);
  REQUIRE(worker);
  const auto daemon = Spool::attach(dir.path, "key-1");
  REQUIRE(daemon);
  CHECK((*daemon)->seat().pool == "io");
  CHECK((*daemon)->seat().slot == 3);
  CHECK((*daemon)->pid() == ::getpid());
  CHECK((*daemon)->worker_lives());
  CHECK((*daemon)->offer().state == Spool::OfferState::idle);
}

TEST_CASE("spool: of begin and recall one wins") {
  const StateDir dir;
  const auto worker = create(dir);
  const auto daemon = attach(dir);
  CHECK_FALSE(worker->begin(7, 1));

  daemon->make_offer(OrderKind::job, 7, 1);
  CHECK_FALSE(worker->begin(8, 1));
  CHECK_FALSE(worker->begin(7, 2));
  CHECK(worker->begin(7, 1));
  CHECK_FALSE(worker->begin(7, 1));
  CHECK_FALSE(daemon->recall(7));
  CHECK(daemon->offer().state == Spool::OfferState::begun);
  CHECK(daemon->offer().job == 7);
  worker->clear_offer();
  CHECK(daemon->offer().state == Spool::OfferState::idle);

  daemon->make_offer(OrderKind::callback, 9, 2);
  CHECK(daemon->offer().kind == OrderKind::callback);
  CHECK(daemon->offer().attempt == 2);
  CHECK(daemon->recall(9));
  CHECK_FALSE(worker->begin(9, 2));
}

TEST_CASE("spool: an offer made after a recall outlives the worker's late answer to the recalled one") {
  const StateDir dir;
  const auto worker = create(dir);
  const auto daemon = attach(dir);
  daemon->make_offer(OrderKind::job, 7, 1);
  REQUIRE(daemon->recall(7));
  daemon->make_offer(OrderKind::job, 8, 1);

  CHECK_FALSE(worker->begin(7, 1));
  worker->clear_offer();

  CHECK(worker->begin(8, 1));
}

TEST_CASE("spool: records come in order, until they are stored") {
  const StateDir dir;
  const auto worker = create(dir);
  const auto daemon = attach(dir);
  CHECK(*worker->append(OrderKind::job, "one") == 1);
  CHECK(*worker->append(OrderKind::callback, "two") == 2);
  REQUIRE(daemon->unstored().size() == 2);
  CHECK(daemon->unstored()[0].outcome_bytes == "one");
  CHECK(daemon->unstored()[1].kind == OrderKind::callback);

  worker->mark_stored(1);
  REQUIRE(daemon->unstored().size() == 1);
  CHECK(daemon->unstored()[0].seq == 2);
}

TEST_CASE("spool: one unstored record more than there are places is refused, and fits when one is stored") {
  const StateDir dir;
  const auto worker = create(dir);
  for (std::uint64_t i = 1; i <= places; ++i) {
    CHECK_FALSE(worker->is_full());
    REQUIRE(worker->append(OrderKind::job, std::to_string(i)));
  }
  CHECK(worker->is_full());
  CHECK_FALSE(worker->append(OrderKind::job, "33"));

  worker->mark_stored(1);
  CHECK(*worker->append(OrderKind::job, "33") == 33);
  const auto records = worker->unstored();
  REQUIRE(records.size() == places);
  CHECK(records.front().outcome_bytes == "2");
  CHECK(records.back().outcome_bytes == "33");
}

TEST_CASE("spool: a record too large for a place lies beside, until it is stored") {
  const StateDir dir;
  const auto worker = create(dir);
  const std::string fits(Spool::record_bytes_max, 'a'), large(Spool::record_bytes_max + 1, 'b');
  REQUIRE(worker->append(OrderKind::job, fits));
  REQUIRE(worker->append(OrderKind::job, large));
  CHECK_FALSE(std::filesystem::exists(dir.path + "/spool/key-1.1"));
  CHECK(std::filesystem::exists(dir.path + "/spool/key-1.2"));
  CHECK(worker->unstored()[0].outcome_bytes == fits);
  CHECK(worker->unstored()[1].outcome_bytes == large);
  CHECK(Spool::list(dir.path) == std::vector<std::string>{"key-1"});

  worker->mark_stored(2);
  CHECK_FALSE(std::filesystem::exists(dir.path + "/spool/key-1.2"));
}

TEST_CASE("spool: what a killed worker had appended and begun is all there") {
  const StateDir dir;
  const pid_t pid = ::fork();
  if (pid == 0) {
    auto worker = Spool::create(dir.path, third_seat);
    if (!worker) ::_exit(1);
    (void)(*worker)->append(OrderKind::job, "ended");
    (*worker)->make_offer(OrderKind::job, 8, 1);
    (void)(*worker)->begin(8, 1);
    ::kill(::getpid(), SIGKILL);
  }
  ::waitpid(pid, nullptr, 0);

  const auto daemon = attach(dir);
  CHECK_FALSE(daemon->worker_lives());
  CHECK(daemon->offer().state == Spool::OfferState::begun);
  REQUIRE(daemon->unstored().size() == 1);
  CHECK(daemon->unstored()[0].outcome_bytes == "ended");
}

TEST_CASE("spool: a short, empty or foreign file is refused") {
  const StateDir dir;
  std::ofstream(dir.path + "/spool/short") << "x";
  CHECK((Spool::attach(dir.path, "short").error().code == Errc::io));
  { const auto worker = create(dir); }
  const auto size = std::filesystem::file_size(dir.path + "/spool/key-1");
  std::ofstream(dir.path + "/spool/zeros");
  std::filesystem::resize_file(dir.path + "/spool/zeros", size);
  CHECK((Spool::attach(dir.path, "zeros").error().code == Errc::io));
  CHECK_FALSE(Spool::attach(dir.path, "absent"));
}

TEST_CASE("spool: remove takes the large records too, and no other worker's") {
  const StateDir dir;
  const auto one = create(dir);
  const auto other = create(dir, {"key-11", "io", 4});
  REQUIRE(one->append(OrderKind::job, std::string(30'000, 'x')));
  Spool::remove(dir.path, "key-1");
  CHECK(Spool::list(dir.path) == std::vector<std::string>{"key-11"});
  CHECK_FALSE(std::filesystem::exists(dir.path + "/spool/key-1.1"));
}

TEST_CASE("spool: each place of a coroutine worker has an offer of its own") {
  const StateDir dir;
  const auto worker = create(dir, {"key-1", "io", 3, 300});
  const auto daemon = attach(dir);
  CHECK(daemon->seat().tasks == 300);

  daemon->make_offer(OrderKind::job, 7, 1, 0);
  daemon->make_offer(OrderKind::job, 8, 2, 299);
  CHECK(worker->begin(8, 2, 299));
  CHECK_FALSE(worker->begin(8, 2, 298));
  CHECK(daemon->recall(7, 0));

  CHECK(daemon->offer(0).state == Spool::OfferState::recalled);
  CHECK(daemon->offer(1).state == Spool::OfferState::idle);
  CHECK(daemon->offer(299).state == Spool::OfferState::begun);
  CHECK(daemon->offer(299).job == 8);
  CHECK(daemon->offer(299).attempt == 2);
  worker->clear_offer(299);
  CHECK(daemon->offer(299).state == Spool::OfferState::idle);
}

TEST_CASE("spool: a coroutine worker's has places for 128 records, beside its offers") {
  const StateDir dir;
  const auto worker = create(dir, {"key-1", "io", 0, 30000});
  const auto daemon = attach(dir);
  worker->make_offer(OrderKind::job, 9, 1, 29999);
  for (int i = 0; i < 128; ++i) CHECK(worker->append(OrderKind::job, std::to_string(i)));

  CHECK(worker->is_full());
  CHECK_FALSE(worker->append(OrderKind::job, "one more"));
  const auto records = daemon->unstored();
  REQUIRE(records.size() == 128);
  CHECK(records[0].outcome_bytes == "0");
  CHECK(records[127].outcome_bytes == "127");
  CHECK(daemon->offer(29999).job == 9);
}

TEST_CASE("spool: one that claims more places than there can be is none") {
  const StateDir dir;
  create(dir, {"key-1", "io", 0, 10});
  for (const std::uint32_t tasks : {0u, 9u, 5000u, 30001u, ~0u}) {
    std::fstream file(dir.path + "/spool/key-1", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(340);
    file.write(reinterpret_cast<const char*>(&tasks), sizeof tasks);
    file.close();
    if (const auto attached = Spool::attach(dir.path, "key-1")) CHECK((*attached)->seat().tasks == tasks);
  }
}

}  // namespace
}  // namespace tine
