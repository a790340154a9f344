#include "cmd/autostart.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "core/pool/job_environment.hpp"
#include "ipc/places.hpp"

namespace tine::cmd {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto start_wait = 5s;
constexpr auto start_poll = 5ms;
constexpr int already_running = 100, no_daemon = 69;

bool environment_allows() {
  const char* wish = std::getenv("TINE_AUTOSTART");
  return !(wish && std::string_view(wish) == "0") && !std::getenv("TINE_JOB_ID");
}

/// The tined beside this tine, else the one on PATH.
std::string daemon_program() {
  char self[4096];
  const auto size = ::readlink("/proc/self/exe", self, sizeof self - 1);
  if (size > 0) {
    std::string beside(self, static_cast<std::size_t>(size));
    beside.replace(beside.rfind('/') + 1, std::string::npos, "tined");
    if (::access(beside.c_str(), X_OK) == 0) return beside;
  }
  return "tined";
}

/// Runs `tined -d` to its end, which comes once the daemon listens. Its exit status, or -1: it could not be
/// run.
int run_daemon_starter(const Invocation& invocation) {
  std::string program = daemon_program(), socket = invocation.socket, state_dir = invocation.state_dir;
  std::string words[] = {"-d", "--socket", "--state-dir"};
  std::vector<char*> argv{program.data(), words[0].data()};
  if (!socket.empty()) argv.insert(argv.end(), {words[1].data(), socket.data()});
  if (!state_dir.empty()) argv.insert(argv.end(), {words[2].data(), state_dir.data()});
  argv.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, 2, 1);  // our stdout is data
  posix_spawn_file_actions_addclosefrom_np(&actions,
                                           3);  // a daemon must not hold the caller's locks and pipes
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);

  // The daemon is nobody's service, whoever's we are in.
  std::vector<char*> environment;
  for (char** entry = environ; *entry; ++entry)
    if (!is_of_service_manager(*entry)) environment.push_back(*entry);
  environment.push_back(nullptr);

  pid_t pid = -1;
  const int failure =
      ::posix_spawnp(&pid, program.c_str(), &actions, &attributes, argv.data(), environment.data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (failure != 0) return -1;
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return -1;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

Result<ipc::Client> connect_within(const std::string& socket, std::chrono::milliseconds within,
                                   std::chrono::milliseconds every) {
  const auto deadline = Clock::now() + within;
  for (;;) {
    auto client = ipc::Client::connect(socket);
    if (client || !ipc::nobody_listens(client.error()) || Clock::now() >= deadline) return client;
    ::poll(nullptr, 0, static_cast<int>(every.count()));
  }
}

Reached failed(const Invocation& invocation, const Error& error, const std::string& socket) {
  return Reached(ipc::nobody_listens(error)
                     ? fail(invocation, make_error(Errc::unavailable, "no daemon at " + socket))
                     : fail(invocation, error));
}

}  // namespace

Reached reach_daemon(const Invocation& invocation, Autostart autostart) {
  const auto socket = ipc::socket_path(invocation.socket, invocation.state_dir);
  if (!socket) return failed(invocation, socket.error(), "");

  auto client = ipc::Client::connect(*socket);
  if (!client && ipc::nobody_listens(client.error()) && autostart == Autostart::allowed &&
      invocation.may_autostart && environment_allows()) {
    const int status = run_daemon_starter(invocation);
    if (status > 0 && status != already_running) return Reached(status);
    // 100: another start won the race, and may not listen yet.
    if (status >= 0) client = connect_within(*socket, start_wait, start_poll);
  }
  if (!client && ipc::nobody_listens(client.error()) && autostart == Autostart::not_needed)
    return Reached(no_daemon);
  if (!client) return failed(invocation, client.error(), *socket);
  return {std::move(*client), *socket};
}

Result<ipc::Client> redial(const std::string& socket) {
  auto client = connect_within(socket, redial_for, redial_every);
  if (!client && ipc::nobody_listens(client.error()))
    return make_error(Errc::unavailable,
                      "the daemon went away, and none answered at " + socket + " for 10 s");
  return client;
}

}  // namespace tine::cmd
