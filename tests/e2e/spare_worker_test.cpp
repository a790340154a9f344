#include <doctest/doctest.h>
#include <signal.h>

#include "core/process/process_tree.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/test_daemon.hpp"

using namespace tine::test;

namespace {

const DaemonSetup with_foo{R"({"pools": [{"name": "default", "size": 1}], "modules": [")" FOO_MODULE_PATH
                           R"("]})"};

std::vector<pid_t> children_named(pid_t parent, const std::string& name) {
  auto children = tine::children_of(parent);
  std::erase_if(children, [&](pid_t pid) {
    return read_whole_file("/proc/" + std::to_string(pid) + "/comm") != name + "\n";
  });
  return children;
}

pid_t child_named(pid_t parent, const std::string& name) {
  std::vector<pid_t> found;
  eventually([&] { return (found = children_named(parent, name)).size() == 1; });
  REQUIRE(found.size() == 1);
  return found[0];
}

pid_t zygote_of(const TestDaemon& daemon) { return child_named(daemon.pid(), "tine-zygote"); }
pid_t spare_of(const TestDaemon& daemon) { return child_named(zygote_of(daemon), "tine-spare"); }
pid_t worker_of(const TestDaemon& daemon) { return child_named(zygote_of(daemon), "tine-worker"); }

std::string sum(const TestDaemon& daemon) {
  return daemon.tine({"run", "--fn", "add", "--args", "[40, 2]"}).out;
}

void crash(const TestDaemon& daemon) {
  CHECK(daemon.tine({"run", "--fn", "crash", "--args", R"(["exit"])"}).exit_status == 1);
}

}  // namespace

TEST_CASE("spare worker: it takes the seat of one that died, and another one waits") {
  TestDaemon daemon(with_foo);
  for (int round = 0; round < 3; ++round) {
    CHECK(sum(daemon) == "42\n");
    const pid_t spare = spare_of(daemon);

    crash(daemon);

    CHECK(sum(daemon) == "42\n");
    CHECK(worker_of(daemon) == spare);
    CHECK(spare_of(daemon) != spare);
  }
}

TEST_CASE("spare worker: one that was killed is missed by nobody") {
  TestDaemon daemon(with_foo);
  CHECK(sum(daemon) == "42\n");
  const pid_t spare = spare_of(daemon);

  ::kill(spare, SIGKILL);
  crash(daemon);

  CHECK(sum(daemon) == "42\n");
  CHECK(worker_of(daemon) != spare);
  CHECK(spare_of(daemon) != spare);
}

TEST_CASE("spare worker: it ends with its zygote") {
  TestDaemon daemon(with_foo);
  CHECK(sum(daemon) == "42\n");
  const pid_t spare = spare_of(daemon);

  ::kill(zygote_of(daemon), SIGKILL);

  CHECK(eventually([&] { return !is_alive(spare); }));
  CHECK(eventually([&] { return sum(daemon) == "42\n"; }));
}

TEST_CASE("spare worker: there is none where forking costs nothing") {
  TestDaemon daemon;
  CHECK(daemon.tine({"run", "--fn", "echo", "--args", "[1]"}).exit_status == 0);

  CHECK(children_named(zygote_of(daemon), "tine-spare").empty());
}
