#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "core/base/unique_fd.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/test_daemon.hpp"

using namespace tine::test;
using tine::UniqueFd;

namespace {

void set_open_files(pid_t pid, rlim_t soft) {
  rlimit limit{};
  REQUIRE(::prlimit(pid, RLIMIT_NOFILE, nullptr, &limit) == 0);
  limit.rlim_cur = soft;
  REQUIRE(::prlimit(pid, RLIMIT_NOFILE, &limit, nullptr) == 0);
}

long cpu_ticks(pid_t pid) {
  const auto stat = read_whole_file("/proc/" + std::to_string(pid) + "/stat");
  long user = 0, system = 0;
  std::sscanf(stat.c_str() + stat.rfind(')') + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld",
              &user, &system);
  return user + system;
}

/// As uid 4321, with a copy of tine that it may execute, in an environment of its own.
Finished as_other_uid(const TestDaemon& daemon, const std::string& words) {
  return daemon.sh("cp \"$tine\" other-tine; exec setpriv --reuid 4321 --regid 4321 --clear-groups " + words);
}

}  // namespace

TEST_CASE("another uid: is not permitted, even where the socket's mode would let it in") {
  if (::geteuid() != 0) {
    MESSAGE("skipped: only root can be somebody else");
    return;
  }
  TestDaemon daemon;
  ::chmod(daemon.folder().c_str(), 0755);

  const auto kept_out = as_other_uid(daemon, "./other-tine submit true");
  CAPTURE(kept_out.err);
  CHECK(kept_out.exit_status == 77);

  ::chmod(daemon.path("state").c_str(), 0755);
  ::chmod(daemon.socket().c_str(), 0666);
  for (const std::string verb : {"submit true", "ping", "shutdown", "run true", "status"}) {
    CAPTURE(verb);
    const auto refused = as_other_uid(daemon, "./other-tine " + verb);
    CAPTURE(refused.err);
    CHECK(refused.exit_status == 77);
    CHECK(refused.out.empty());
    CHECK(std::count(refused.err.begin(), refused.err.end(), '\n') == 1);
    CHECK(refused.err.find("4321") != std::string::npos);
  }
  CHECK(daemon.tine({"ping"}).exit_status == 0);
  CHECK(daemon.tine({"list", "--json"}).out.empty());
}

TEST_CASE("idle clients: at the limit of descriptors one more is told so, and jobs go on") {
  TestDaemon daemon;
  const pid_t pid = daemon.pid();
  set_open_files(pid, 200);
  std::vector<UniqueFd> idle;
  bool refused = false;
  for (int i = 0; i < 400 && !refused; ++i) {
    idle.push_back(daemon.dial());
    REQUIRE(idle.back());
    std::string said;
    REQUIRE(eventually([&] { return !(said += heard(idle.back())).empty(); }));
    refused = said.find("hello") == std::string::npos;
    if (refused) CHECK(said.find("75") != std::string::npos);
  }
  CHECK(refused);

  const auto told = daemon.tine({"ping"});
  CAPTURE(told.err);
  CHECK(told.exit_status == 75);
  CHECK(std::count(told.err.begin(), told.err.end(), '\n') == 1);
  // A connected one still gets its jobs run: descriptors were kept back for the workers.
  REQUIRE(::dprintf(idle[0].get(),
                    R"({"jsonrpc":"2.0","id":1,"method":"submit","params":)"
                    R"({"command":["touch","%s/done"]}})"
                    "\n",
                    daemon.folder().c_str()) > 0);
  CHECK(eventually([&] { return std::filesystem::exists(daemon.path("done")); }));
  idle.clear();

  CHECK(eventually([&] { return daemon.tine({"run", "true"}).exit_status == 0; }));
}

TEST_CASE("descriptors: with none left the daemon does not spin, and goes on when there are some") {
  TestDaemon daemon;
  const pid_t pid = daemon.pid();
  REQUIRE(daemon.tine({"run", "true"}).exit_status == 0);
  auto entries = std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd");
  const auto open_now = static_cast<rlim_t>(std::distance(begin(entries), end(entries)));
  set_open_files(pid, open_now - 1);

  std::vector<UniqueFd> clients;
  for (int i = 0; i < 20; ++i) clients.push_back(daemon.dial());
  const auto worker =
      std::atoi(daemon.sh("ps -o pid= --ppid $(ps -o pid= --ppid " + std::to_string(pid) + ")").out.c_str());
  REQUIRE(worker > 1);      // 0 would be this process group
  ::kill(worker, SIGKILL);  // the next one dials in vain, too
  const long before = cpu_ticks(pid);
  ::sleep(1);
  CHECK(cpu_ticks(pid) - before < 50);  // of 100 in that second

  set_open_files(pid, 1000);
  clients.clear();
  CHECK(eventually([&] { return daemon.tine({"run", "true"}).exit_status == 0; }));
}

TEST_CASE("a client that asks and never listens: is bounded, and others are served") {
  TestDaemon daemon;
  const auto id = daemon.submit({"sleep", "600"});
  const auto deaf = daemon.dial();
  std::string requests;
  for (int i = 0; i < 1000; ++i)
    requests += R"({"jsonrpc":"2.0","id":)" + std::to_string(i) + R"(,"method":"wait","params":{"ids":[)" +
                id + "]}}\n";

  REQUIRE(::send(deaf.get(), requests.data(), requests.size(), 0) == static_cast<ssize_t>(requests.size()));

  std::string answers;
  CHECK(eventually([&] {
    answers += heard(deaf);
    return std::count(answers.begin(), answers.end(), '\n') == 1 + 1000 - 256;
  }));
  CHECK(answers.find("75") != std::string::npos);
  CHECK(daemon.tine({"run", "true"}).exit_status == 0);
}

TEST_CASE("a backlog of clients that came while the daemon stood still is served") {
  TestDaemon daemon;
  ::kill(daemon.pid(), SIGSTOP);
  std::vector<UniqueFd> waiting;
  for (int i = 0; i < 5000; ++i) {
    waiting.push_back(daemon.dial(SOCK_NONBLOCK));
    if (!waiting.back()) break;  // EAGAIN: the backlog is full
  }
  CHECK(waiting.size() > 100);
  auto late = daemon.tine_running({"submit", "true"});

  ::kill(daemon.pid(), SIGCONT);

  CHECK(late.wait().exit_status != -1);
  waiting.clear();
  CHECK(eventually([&] { return daemon.tine({"run", "true"}).exit_status == 0; }));
}
