#include "tests/support/shell.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <sstream>
#include <utility>

namespace tine::test {
namespace {

std::string content_of(int fd) {
  std::string text;
  char block[65536];
  for (;;) {
    const auto size = ::pread(fd, block, sizeof block, static_cast<off_t>(text.size()));
    if (size <= 0) return text;
    text.append(block, static_cast<std::size_t>(size));
  }
}

int file_with(const std::string& text) {
  const int fd = ::memfd_create("tine-test", MFD_CLOEXEC);
  std::size_t done = 0;
  while (done < text.size()) {
    const auto size = ::pwrite(fd, text.data() + done, text.size() - done, static_cast<off_t>(done));
    if (size <= 0) break;
    done += static_cast<std::size_t>(size);
  }
  return fd;
}

/// The kernel does not lock the offset of a memfd: of two writers at once one would be lost.
int file_to_append() {
  const int fd = file_with("");
  ::fcntl(fd, F_SETFL, O_APPEND);
  return fd;
}

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> all;
  for (const auto& word : words) all.push_back(const_cast<char*>(word.c_str()));
  all.push_back(nullptr);
  return all;
}

}  // namespace

Running::Running(const std::vector<std::string>& argv, const std::vector<std::string>& environment,
                 const std::string& stdin_text) {
  auto words = pointers(argv), variables = pointers(environment);
  const int in = file_with(stdin_text);
  out_ = file_to_append();
  err_ = file_to_append();
  pid_ = ::fork();
  if (pid_ == 0) {
    ::dup2(in, 0);
    ::dup2(out_, 1);
    ::dup2(err_, 2);
    ::execvpe(words[0], words.data(), variables.data());
    ::_exit(127);
  }
  ::close(in);
}

Running::Running(Running&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)),
      out_(std::exchange(other.out_, -1)),
      err_(std::exchange(other.err_, -1)) {}

Running& Running::operator=(Running&& other) noexcept {
  if (this == &other) return *this;
  drop();
  pid_ = std::exchange(other.pid_, 0);
  out_ = std::exchange(other.out_, -1);
  err_ = std::exchange(other.err_, -1);
  return *this;
}

Running::~Running() { drop(); }

void Running::drop() {
  if (pid_ > 0) {
    kill(SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  pid_ = 0;
  if (out_ >= 0) ::close(out_);
  if (err_ >= 0) ::close(err_);
  out_ = err_ = -1;
}

void Running::kill(int signal) const {
  if (pid_ > 0) ::kill(pid_, signal);
}

bool Running::has_ended() const { return !is_alive(pid_); }
std::string Running::out_so_far() const { return content_of(out_); }
std::string Running::err_so_far() const { return content_of(err_); }

Finished Running::wait(std::chrono::seconds within) {
  Finished finished;
  if (pid_ <= 0) return finished;
  const int handle = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  pollfd waits{handle, POLLIN, 0};
  const auto deadline = std::chrono::steady_clock::now() + within;
  bool ended = false;
  while (!ended) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) break;
    ended = ::poll(&waits, 1, static_cast<int>(left.count())) > 0;
  }
  ::close(handle);
  if (!ended) kill(SIGKILL);
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = 0;
  if (ended) finished.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  finished.out = out_so_far();
  finished.err = err_so_far();
  return finished;
}

std::vector<std::string> environment_with(const std::vector<std::string>& changes) {
  const auto name_of = [](const std::string& pair) { return pair.substr(0, pair.find('=')); };
  std::vector<std::string> result;
  for (char** variable = environ; *variable; ++variable) {
    bool changed = false;
    for (const auto& change : changes) changed = changed || name_of(change) == name_of(*variable);
    if (!changed) result.emplace_back(*variable);
  }
  for (const auto& change : changes) {
    if (change.find('=') != std::string::npos) result.push_back(change);
  }
  return result;
}

std::string read_whole_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void write_whole_file(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = text.find('\n', at);
    lines.push_back(text.substr(at, end - at));
    at = end == std::string::npos ? text.size() : end + 1;
  }
  return lines;
}

bool is_alive(pid_t pid) {
  if (pid <= 0) return false;
  const auto stat = read_whole_file("/proc/" + std::to_string(pid) + "/stat");
  const auto name_end = stat.rfind(')');
  return name_end != std::string::npos && name_end + 2 < stat.size() && stat[name_end + 2] != 'Z' &&
         stat[name_end + 2] != 'X';
}

}  // namespace tine::test
