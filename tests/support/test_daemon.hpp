#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/base/unique_fd.hpp"
#include "tests/support/shell.hpp"

namespace tine::test {

using Json = nlohmann::json;

struct DaemonSetup {
  std::string config;                    ///< text of its config; "": defaults and two workers
  bool starts = true;                    ///< false: the folder alone; the test, or tine, starts it
  std::vector<std::string> environment;  ///< changes to this process's, as environment_with() takes them
};

inline DaemonSetup without_a_daemon() { return {.starts = false}; }

/// A real tined in a folder of its own. The destructor ends it, fails the test when anything that it or its
/// jobs started is still alive, and removes the folder.
class TestDaemon {
 public:
  explicit TestDaemon(DaemonSetup setup = {});
  ~TestDaemon();
  TestDaemon(const TestDaemon&) = delete;
  TestDaemon& operator=(const TestDaemon&) = delete;

  Finished tine(const std::vector<std::string>& words, const std::string& stdin_text = "") const;
  Running tine_running(const std::vector<std::string>& words, const std::string& stdin_text = "") const;
  /// /bin/sh -c, with $tine, $tined, $dir and $sock set, in `folder()`.
  Finished sh(const std::string& text, const std::string& stdin_text = "") const;
  Running sh_running(const std::string& text) const;

  std::string submit(std::vector<std::string> words) const;  ///< its id; fails the test when it is refused
  Json record(const std::string& id) const;                  ///< `tine show`
  Json wait(const std::string& id) const;                    ///< its record when it has ended
  Json status() const;
  pid_t job_process(const std::string& id) const;  ///< the pid that the job wrote to `folder()/ID.pid`

  pid_t pid() const;
  /// `changes`: to its environment, for this start alone.
  void start(const std::vector<std::string>& changes = {});
  /// As start(), and the first process that comes by the failpoint is hit: failpoint_was_hit() tells.
  void start_with_failpoint(const std::string& failpoint);
  bool failpoint_was_hit() const;
  void kill9();
  void restart();   ///< kill9(), start()
  Finished stop();  ///< SIGTERM, and waits
  bool has_died() const { return daemon_.has_ended(); }
  std::string log() const;

  /// A connection to its socket, not open if that fails; `flags` as SOCK_NONBLOCK.
  UniqueFd dial(int flags = 0) const;
  const std::string& folder() const { return folder_; }
  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  std::string socket() const { return folder_ + "/state/tine.sock"; }
  const std::vector<std::string>& environment() const { return environment_; }

 private:
  std::vector<pid_t> left_alive() const;
  DaemonSetup setup_;
  std::string folder_;
  std::vector<std::string> environment_;
  Running daemon_;
};

/// All that is there to be read now.
std::string heard(const UniqueFd& socket);

/// JSON Lines as values; lines that are not JSON fail the test.
std::vector<Json> json_lines(const std::string& text);

}  // namespace tine::test
