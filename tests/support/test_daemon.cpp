#include "tests/support/test_daemon.hpp"

#include <dirent.h>
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "tests/support/eventually.hpp"

namespace tine::test {
namespace {

std::string new_folder() {
  std::string pattern = "/tmp/tine-test-XXXXXX";
  REQUIRE(::mkdtemp(pattern.data()) != nullptr);
  return pattern;
}

std::vector<pid_t> all_processes() {
  std::vector<pid_t> pids;
  DIR* folder = ::opendir("/proc");
  while (const dirent* entry = ::readdir(folder)) {
    if (const int pid = std::atoi(entry->d_name); pid > 0) pids.push_back(pid);
  }
  ::closedir(folder);
  return pids;
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

TestDaemon::TestDaemon(DaemonSetup setup) : setup_(std::move(setup)), folder_(new_folder()) {
  std::vector<std::string> changes = {"TINE_JOB_ID",
                                      "TINE_AUTOSTART",
                                      "TINE_CONFIG=" + path("tined.json"),
                                      "TINE_STATE_DIR=" + path("state"),
                                      "TINE_SOCKET=" + socket(),
                                      "HOME=" + folder_,
                                      "tine=" TINE_PATH,
                                      "tined=" TINED_PATH,
                                      "dir=" + folder_,
                                      "sock=" + socket()};
  changes.insert(changes.end(), setup_.environment.begin(), setup_.environment.end());
  environment_ = environment_with(changes);
  const std::string two_workers = R"({"pools": [{"name": "default", "size": 2}]})";
  write_whole_file(path("tined.json"), setup_.config.empty() ? two_workers : setup_.config);
  if (setup_.starts) start();
}

TestDaemon::~TestDaemon() {
  if (!left_alive().empty() && tine({"ping"}).exit_status != 0) {
    daemon_ = Running();
    daemon_ = Running({TINED_PATH}, environment_);
    eventually([&] { return tine({"ping"}).exit_status == 0; });
  }
  tine({"shutdown", "--now"});
  if (daemon_.pid() > 0) daemon_.wait(std::chrono::seconds(60));
  const bool clean = eventually([&] { return left_alive().empty(); });
  for (const pid_t pid : left_alive()) {
    auto words = read_whole_file("/proc/" + std::to_string(pid) + "/cmdline");
    for (char& c : words) c = c == '\0' ? ' ' : c;
    MESSAGE("left alive: ", pid, " ", words);
    ::kill(pid, SIGKILL);
  }
  if (!clean) FAIL_CHECK("something outlived the daemon");
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

Running TestDaemon::tine_running(const std::vector<std::string>& words, const std::string& stdin_text) const {
  std::vector<std::string> argv = {TINE_PATH};
  argv.insert(argv.end(), words.begin(), words.end());
  return Running(argv, environment_, stdin_text);
}

Finished TestDaemon::tine(const std::vector<std::string>& words, const std::string& stdin_text) const {
  return tine_running(words, stdin_text).wait();
}

Running TestDaemon::sh_running(const std::string& text) const {
  return Running({"/bin/sh", "-c", "cd \"$dir\"\n" + text}, environment_);
}

Finished TestDaemon::sh(const std::string& text, const std::string& stdin_text) const {
  return Running({"/bin/sh", "-c", "cd \"$dir\"\n" + text}, environment_, stdin_text).wait();
}

std::string TestDaemon::submit(std::vector<std::string> words) const {
  words.insert(words.begin(), "submit");
  const auto finished = tine(words);
  INFO(finished.err);
  REQUIRE(finished.exit_status == 0);
  return first_line(finished.out);
}

Json TestDaemon::record(const std::string& id) const {
  const auto finished = tine({"show", id});
  INFO(finished.err);
  REQUIRE(finished.exit_status == 0);
  return Json::parse(first_line(finished.out));
}

Json TestDaemon::wait(const std::string& id) const {
  const auto finished = tine({"wait", "--json", "--timeout", "100", id});
  INFO(finished.err);
  REQUIRE_FALSE(finished.out.empty());
  return Json::parse(first_line(finished.out));
}

Json TestDaemon::status() const {
  const auto finished = tine({"status", "--json"});
  INFO(finished.err);
  REQUIRE(finished.exit_status == 0);
  return Json::parse(first_line(finished.out));
}

pid_t TestDaemon::job_process(const std::string& id) const {
  pid_t pid = 0;
  eventually([&] {
    const auto text = read_whole_file(path(id + ".pid"));
    pid = text.empty() || text.back() != '\n' ? 0 : std::atoi(text.c_str());
    return pid > 0;
  });
  REQUIRE(pid > 0);
  return pid;
}

pid_t TestDaemon::pid() const {
  if (daemon_.pid() > 0) return daemon_.pid();
  const auto finished = tine({"ping", "--json"});
  return finished.exit_status == 0 ? Json::parse(finished.out).value("pid", 0) : 0;
}

void TestDaemon::start(const std::vector<std::string>& changes) {
  if (daemon_.pid() > 0 && daemon_.has_ended()) daemon_.wait();  // its last thread holds the lock until then
  // A daemon that died unseen must not be replaced by one that a client starts.
  environment_.push_back("TINE_AUTOSTART=0");
  auto environment = environment_;
  environment.insert(environment.end(), changes.begin(), changes.end());
  daemon_ = Running({TINED_PATH}, environment);
  const bool answers = eventually([&] { return daemon_.has_ended() || tine({"ping"}).exit_status == 0; });
  INFO(log(), daemon_.err_so_far());
  REQUIRE(answers);
  REQUIRE_FALSE(daemon_.has_ended());
}

void TestDaemon::start_with_failpoint(const std::string& failpoint) {
  std::filesystem::remove(path("failpoint.hit"));
  start({"TINE_FAILPOINT=" + failpoint, "TINE_FAILPOINT_ONCE=" + path("failpoint.hit")});
}

bool TestDaemon::failpoint_was_hit() const { return std::filesystem::exists(path("failpoint.hit")); }

void TestDaemon::kill9() {
  const pid_t process = pid();
  REQUIRE(process > 0);
  ::kill(process, SIGKILL);
  if (daemon_.pid() > 0) daemon_.wait();
  REQUIRE(eventually([&] { return !is_alive(process); }));
}

void TestDaemon::restart() {
  kill9();
  start();
}

Finished TestDaemon::stop() {
  daemon_.kill(SIGTERM);
  return daemon_.wait();
}

std::string TestDaemon::log() const { return daemon_.err_so_far(); }

std::vector<pid_t> TestDaemon::left_alive() const {
  std::vector<pid_t> found;
  for (const pid_t pid : all_processes()) {
    if (pid == ::getpid() || !is_alive(pid)) continue;
    const auto about = "/proc/" + std::to_string(pid);
    // The job's variables, and the words of the daemon and its workers.
    if (read_whole_file(about + "/environ").find(folder_) != std::string::npos ||
        read_whole_file(about + "/cmdline").find(folder_) != std::string::npos)
      found.push_back(pid);
  }
  return found;
}

UniqueFd TestDaemon::dial(int flags) const {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socket().copy(address.sun_path, sizeof address.sun_path - 1);
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) fd.reset();
  return fd;
}

std::string heard(const UniqueFd& socket) {
  std::string text;
  char block[4096];
  for (ssize_t got; (got = ::recv(socket.get(), block, sizeof block, MSG_DONTWAIT)) > 0;)
    text.append(block, static_cast<std::size_t>(got));
  return text;
}

std::vector<Json> json_lines(const std::string& text) {
  std::vector<Json> values;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) values.push_back(Json::parse(line));
  return values;
}

}  // namespace tine::test
