#include <doctest/doctest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "tests/support/eventually.hpp"
#include "tests/support/test_daemon.hpp"

using namespace tine::test;

namespace {

/// A state dir on a file system of 3 MB, in a mount namespace that this test process has for itself.
class SmallDisk {
 public:
  SmallDisk() : daemon(setup()) {
    ::mkdir(daemon.path("state").c_str(), 0700);
    mounted_ = ::geteuid() == 0 && ::unshare(CLONE_NEWNS) == 0 &&
               ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
               ::mount("tmpfs", daemon.path("state").c_str(), "tmpfs", 0, "size=3m,mode=0700") == 0;
    if (!mounted_) MESSAGE("skipped: no mount namespaces for this user");
  }
  ~SmallDisk() {
    if (!mounted_) return;
    empty();
    daemon.tine({"shutdown", "--now"});
    eventually([&] { return ::umount(daemon.path("state").c_str()) == 0; });
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  explicit operator bool() const { return mounted_; }
  /// Takes all but `left_kib` of what is free.
  void fill(int left_kib = 0) const {
    daemon.sh("dd if=/dev/zero of=state/filler bs=1k 2>/dev/null; truncate -s -" + std::to_string(left_kib) +
              "k state/filler; true");
  }
  void empty() const { ::unlink(daemon.path("state/filler").c_str()); }

 private:
  static DaemonSetup setup() {
    DaemonSetup setup;
    setup.config = R"({"pools": [{"name": "default", "size": 1}]})";
    setup.starts = false;
    return setup;
  }
  bool mounted_ = false;

 public:
  TestDaemon daemon;
};

void check_one_line(const Finished& finished, int exit_status) {
  CAPTURE(finished.err);
  CHECK(finished.exit_status == exit_status);
  CHECK(finished.out.empty());
  CHECK(std::count(finished.err.begin(), finished.err.end(), '\n') == 1);
}

}  // namespace

TEST_CASE("disk full: a submit is refused with 74, and nothing is stored or lost") {
  SmallDisk disk;
  if (!disk) return;
  auto& daemon = disk.daemon;
  daemon.start();
  const auto holder = daemon.submit({"sleep", "600"});
  disk.fill(100);

  std::vector<std::string> acknowledged = {holder};
  Finished last;
  for (int i = 0; i < 200; ++i) {
    last = daemon.tine({"submit", "-e", "BALLAST=" + std::to_string(i) + std::string(20000, 'x'), "true"});
    if (last.exit_status != 0) break;
    acknowledged.push_back(last.out.substr(0, last.out.find('\n')));
  }

  check_one_line(last, 74);
  CHECK(last.err.find("full") != std::string::npos);
  CHECK(acknowledged.size() > 1);
  check_one_line(daemon.tine({"submit", "-e", "B=" + std::string(100000, 'y'), "true"}), 74);
  CHECK(daemon.tine({"ping"}).exit_status == 0);
  CHECK(json_lines(daemon.tine({"list", "--json"}).out).size() == acknowledged.size());

  disk.empty();
  acknowledged.push_back(daemon.submit({"true"}));
  daemon.restart();
  CHECK(json_lines(daemon.tine({"list", "--json"}).out).size() == acknowledged.size());
  CHECK(daemon.tine({"cancel", holder}).exit_status == 0);
  CHECK(eventually([&] { return daemon.status()["jobs"]["succeeded"] == acknowledged.size() - 1; }));
}

TEST_CASE(
    "disk full: a job that ends meanwhile is told when there is room, with its exit code and callback") {
  SmallDisk disk;
  if (!disk) return;
  auto& daemon = disk.daemon;
  daemon.start();
  const auto id = daemon.submit({"-w", daemon.folder(), "--callback", "cat >told", "--shell",
                                 "echo $$ >job.pid; while [ ! -e gate ]; do sleep 0.02; done; exit 7"});
  const pid_t job = daemon.job_process("job");
  disk.fill();
  // What is left in the last page of the WAL would still take an end.
  while (daemon.tine({"submit", "true"}).exit_status == 0) {
  }

  write_whole_file(daemon.path("gate"), "");
  CHECK(eventually([&] { return !is_alive(job); }));
  CHECK(daemon.tine({"wait", "--timeout", "300ms", id}).exit_status == 124);
  disk.empty();

  CHECK(daemon.tine({"wait", id}).exit_status == 7);
  CHECK(eventually([&] { return daemon.record(id)["callback"]["state"] == "succeeded"; }));
}

TEST_CASE("disk full: tined dies and an end that was not stored is found in the spool") {
  SmallDisk disk;
  if (!disk) return;
  auto& daemon = disk.daemon;
  daemon.start();
  const auto id =
      daemon.submit({"-w", daemon.folder(), "--shell",
                     "echo $$ >job.pid; echo run >>runs; while [ ! -e gate ]; do sleep 0.02; done; exit 7"});
  const pid_t job = daemon.job_process("job");
  disk.fill();
  while (daemon.tine({"submit", "true"}).exit_status == 0) {
  }
  write_whole_file(daemon.path("gate"), "");
  CHECK(eventually([&] { return !is_alive(job); }));

  daemon.kill9();
  disk.empty();
  daemon.start();

  CHECK(daemon.tine({"wait", id}).exit_status == 7);
  CHECK(read_whole_file(daemon.path("runs")) == "run\n");
}

TEST_CASE("disk full: a first start exits 74") {
  SmallDisk disk;
  if (!disk) return;
  disk.fill();

  check_one_line(disk.daemon.sh("timeout 20 \"$tined\""), 74);
}

TEST_CASE("disk full: a worker that finds no room for its spool is replaced when there is some") {
  SmallDisk disk;
  if (!disk) return;
  auto& daemon = disk.daemon;
  daemon.start();
  const auto id = daemon.submit({"sleep", "600"});
  REQUIRE(eventually([&] { return daemon.record(id)["state"] == "running"; }));
  disk.fill();

  // A worker's spool goes with it; the next one may find that place, and is killed as well.
  CHECK(eventually([&] {
    disk.fill();
    const auto workers = daemon.status()["pools"][0]["workers"];
    for (const auto& worker : workers) ::kill(worker["pid"].get<pid_t>(), SIGKILL);
    return daemon.log().find("disk") != std::string::npos || workers.empty();
  }));
  CHECK(daemon.tine({"ping"}).exit_status == 0);
  disk.empty();

  CHECK(eventually([&] { return daemon.tine({"run", "true"}).exit_status == 0; }));
}

TEST_CASE("disk full: a job that fills it with its output is told so by its own write") {
  SmallDisk disk;
  if (!disk) return;
  auto& daemon = disk.daemon;
  daemon.start();
  // Its worker's files are there before the disk is filled.
  REQUIRE(eventually([&] { return daemon.status()["pools"][0]["workers"].size() == 1; }));
  disk.fill(500);

  const auto id = daemon.submit(
      {"-w", daemon.folder(), "--shell", "head -c 4000000 /dev/zero || { touch full; exit 9; }"});
  REQUIRE(eventually([&] { return ::access(daemon.path("full").c_str(), F_OK) == 0; }));
  CHECK(eventually([&] { return daemon.tine({"submit", "true"}).exit_status == 74; }));
  CHECK(daemon.tine({"ping"}).exit_status == 0);
  disk.empty();

  const auto record = daemon.wait(id);
  CHECK(record["exit_code"] == 9);
  CHECK(record["stdout_bytes"].get<unsigned long long>() >= 400000);
  CHECK(record["stdout_bytes"].get<unsigned long long>() < 4000000);
}
