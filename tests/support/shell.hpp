#pragma once
#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

namespace tine::test {

struct Finished {
  int exit_status =
      -1;  ///< 128+N: signal N ended it; -1: it was still running after the time, and was killed
  std::string out, err;
};

/// A program that runs beside the test. Its stdout and stderr are files: what it leaves behind does not keep
/// wait() from returning. The destructor kills and reaps it.
class Running {
 public:
  Running() = default;
  /// `argv[0]` is looked up on PATH. `environment`: the whole of it, K=V each.
  Running(const std::vector<std::string>& argv, const std::vector<std::string>& environment,
          const std::string& stdin_text = "");
  Running(Running&& other) noexcept;
  Running& operator=(Running&& other) noexcept;
  ~Running();

  pid_t pid() const { return pid_; }  ///< 0: nothing runs, or it was waited for
  void kill(int signal) const;
  bool has_ended() const;
  std::string out_so_far() const;
  std::string err_so_far() const;
  Finished wait(std::chrono::seconds within = std::chrono::seconds(120));

 private:
  void drop();
  pid_t pid_ = 0;
  int out_ = -1, err_ = -1;
};

/// This process's environment, with K=V of `changes` set, and K of them without `=` taken out.
std::vector<std::string> environment_with(const std::vector<std::string>& changes);

std::string read_whole_file(const std::string& path);  ///< "" when it cannot be read
void write_whole_file(const std::string& path, const std::string& text);

std::vector<std::string> lines_of(const std::string& text);  ///< without their newlines

/// Whether the process is there and is no zombie.
bool is_alive(pid_t pid);

}  // namespace tine::test
