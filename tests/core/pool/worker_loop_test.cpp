#include "core/pool/worker_loop.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "core/base/bytes.hpp"
#include "core/base/file.hpp"
#include "core/pool/spool.hpp"
#include "tests/support/child.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/listen.hpp"
#include "tests/support/temp_folder.hpp"

namespace tine {
namespace {

constexpr std::uint64_t places = 32;  // of a spool, for records that are not stored

/// The daemon's part, towards one worker that is a child of this process.
class OneWorker {
 public:
  OneWorker() : listener_(listen()), child_([this] { return run_worker({seat_, setup_, functions_}); }) {
    link_ = UniqueFd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    REQUIRE(link_);
    auto spool = Spool::attach(folder_.path, seat_.key);
    REQUIRE(spool);
    spool_ = std::move(*spool);
  }

  Spool& spool() { return *spool_; }
  std::size_t unstored() const { return spool_->unstored().size(); }

  const std::string& folder() const { return folder_.path; }
  std::uint32_t place_of(JobId job) const { return static_cast<std::uint32_t>(job % spool_->offers()); }

  void order(JobId job, std::vector<std::string> argv = {"/bin/true"}) {
    JobSpec spec;
    spec.argv = std::move(argv);
    StartOrder order;
    order.job = job;
    order.spec = encode(spec);
    order.environment = std::make_shared<const std::string>();
    order.place = place_of(job);
    spool_->make_offer(OrderKind::job, job, 1, order.place);
    send(FrameType::start, encode(order));
  }

  int dismiss() {
    spool_->mark_stored(spool_->unstored().back().seq);
    send(FrameType::leave, "");
    return child_.wait();
  }

 private:
  UniqueFd listen() {
    for (const char* name : {"/spool", "/output"}) std::filesystem::create_directory(folder_.path + name);
    return test::listen_at(folder_.path + "/workers.sock");
  }
  void send(FrameType type, const std::string& payload) {
    REQUIRE(write_all(link_.get(), frame(type, payload)));
  }

  const test::TempFolder folder_;
  const WorkerSeat seat_{"key-1", "default", 0};
  const ZygoteSetup setup_{folder_.path, folder_.path + "/tine.sock", {}, 1024, {}, ""};
  const Functions functions_ = Functions::with_built_ins();
  UniqueFd listener_;
  test::Child child_;
  UniqueFd link_;
  std::unique_ptr<Spool> spool_;
};

TEST_CASE(
    "worker: an order that came while it waited for the store is begun, also when the one before was "
    "recalled") {
  OneWorker worker;
  const auto wait_for = [&](const std::function<bool()>& condition) { REQUIRE(test::eventually(condition)); };
  for (JobId job = 1; job < places; ++job) {
    worker.order(job);
    wait_for([&] { return worker.unstored() == job; });
  }
  const JobId last = places, recalled = places + 1, late = places + 2;
  const std::string gate = worker.folder() + "/gate";
  REQUIRE(::mkfifo(gate.c_str(), 0600) == 0);
  worker.order(last, {"/bin/sh", "-c", "read line < " + gate});
  worker.order(recalled);
  wait_for([&] { return worker.spool().offer(worker.place_of(last)).state == Spool::OfferState::begun; });
  REQUIRE(worker.spool().recall(recalled, worker.place_of(recalled)));
  UniqueFd(::open(gate.c_str(), O_WRONLY | O_CLOEXEC));  // the last one ends, and takes the last place
  wait_for([&] { return worker.spool().awaits_store(); });
  worker.spool().mark_stored(places);
  worker.order(late);  // wakes it
  wait_for([&] { return worker.unstored() == 1; });
  CHECK(worker.spool().unstored().front().seq == places + 1);
  CHECK(worker.dismiss() == 0);
}

}  // namespace
}  // namespace tine
