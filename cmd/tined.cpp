#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <set>

#include "cmd/container_init.hpp"
#include "cmd/daemonize.hpp"
#include "cmd/standard_descriptors.hpp"
#include "cmd/tined_log.hpp"
#include "cmd/tined_manual.hpp"
#include "cmd/tined_take_over.hpp"
#include "core/base/limits.hpp"
#include "core/process/zygote.hpp"
#include "daemon/daemon.hpp"
#include "daemon/state_dir.hpp"
#include "ipc/places.hpp"

namespace {

using namespace tine;

struct Options {
  std::string config, socket, state_dir, log_level = "info", log_format = "text";
  std::uint32_t workers = 0;
  int ready_fd = -1;
  bool daemonize = false, init = false, check_config = false, manual = false;
};

int fail(const Error& error) {
  std::fprintf(stderr, "tined: %s\n", error.message().c_str());
  return exit_code_of(error);
}

void describe(CLI::App& app, Options& options) {
  app.add_option("--config", options.config, "the configuration file");
  app.add_option("--socket", options.socket, "the socket that clients connect to");
  app.add_option("--state-dir", options.state_dir, "the folder of jobs, outputs and the socket");
  app.add_option("--workers", options.workers, "the size of pools that name none")
      ->check(CLI::Range(1u, limits::pool_size_max));
  app.add_option("--log-level", options.log_level, "what is logged")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}));
  app.add_option("--log-format", options.log_format, "how")->check(CLI::IsMember({"text", "json"}));
  app.add_option("--ready-fd", options.ready_fd)->group("");
  app.add_flag("-d,--daemonize", options.daemonize, "start in the background; back when clients can connect");
  app.add_flag("--init", options.init, "be a container's PID 1 and run tined as a child");
  app.add_flag("--check-config", options.check_config, "read the configuration, say what is wrong, and end");
  app.add_flag("--manual", options.manual, "print tined(8), for the build")->group("");
  app.set_version_flag("--version", "tined " TINE_VERSION);
}

/// The arguments without one flag, to start this program again.
std::vector<std::string> without(int argc, char** argv, const std::set<std::string>& flags) {
  std::vector<std::string> arguments;
  for (int i = 0; i < argc; ++i)
    if (!flags.contains(argv[i])) arguments.emplace_back(argv[i]);
  return arguments;
}

/// As many descriptors as the hard limit gives; what was before is what jobs get.
std::uint64_t raise_open_files() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const std::uint64_t before = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  return before;
}

Result<Config> configuration(const Options& options) {
  auto place = ipc::config_place(options.config);
  if (!place) return place.error();
  const bool absent = ::access(place->path.c_str(), F_OK) != 0;
  auto config = absent && !place->must_exist ? parse_config("{}", place->path) : read_config(place->path);
  if (!config) return config.error();
  for (auto& pool : config->pools)
    if (options.workers > 0 && pool.concurrency == 0 && (pool.size == 0 || pool.name == "default"))
      pool.size = options.workers;
  return config;
}

int serve(const Options& options) {
  auto config = configuration(options);
  if (!config) return fail(config.error());
  if (options.check_config) return 0;
  auto state_dir = ipc::state_folder(options.state_dir);
  if (!state_dir) return fail(state_dir.error());
  auto socket = ipc::socket_path(options.socket, options.state_dir);
  if (!socket) return fail(socket.error());
  const bool is_supervised = std::getenv("NOTIFY_SOCKET") && options.ready_fd < 0;
  auto lock = take_state_dir(*state_dir);
  if (!lock && is_supervised && lock.error().code == Errc::already_running)
    lock = take_over(*state_dir, *socket, lock.error());
  if (!lock) return fail(lock.error());
  ::umask(077);  // of what is ours; a job has its submitter's
  start_log(options.log_level, options.log_format, options.ready_fd >= 0 ? *state_dir + "/tined.log" : "");
  DaemonOptions daemon{*state_dir, *socket, raise_open_files(),
                       [&] {
                         if (is_supervised) notify_service_manager("READY=1");
                         if (options.ready_fd >= 0) tell_ready(options.ready_fd);
                       },
                       is_supervised};
  const Status ended = run_daemon(*config, daemon);
  return ended ? 0 : fail(ended.error());
}

}  // namespace

int main(int argc, char** argv) {
  tine::open_standard_descriptors();
  if (argc == 3 && std::string_view(argv[1]) == "--zygote") ::_exit(tine::run_zygote(std::atoi(argv[2])));
  for (int signal = 1; signal < NSIG; ++signal)
    ::signal(signal, SIG_DFL);  // nohup's and cron's habits are not the jobs'
  ::signal(SIGPIPE, SIG_IGN);
  ::prctl(PR_SET_NAME, "tined");  // not "exe": -d has executed itself by /proc/self/exe
  Options options;
  CLI::App app("tined: the daemon of tine, a task runner", "tined");
  describe(app, options);
  try {
    app.parse(argc, argv);
    if (options.manual) return std::fputs(tine::tined_manual(app).c_str(), stdout) < 0 ? 74 : 0;
    if (options.init) return tine::run_container_init(without(argc, argv, {"--init"}));
    if (options.daemonize) return tine::start_in_background(without(argc, argv, {"-d", "--daemonize"}));
    return serve(options);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    std::fprintf(stderr, "tined: %s; see tined --help\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tined: %s\n", error.what());
    return 125;
  }
}
