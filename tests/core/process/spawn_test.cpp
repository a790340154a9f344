#include "core/process/spawn.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/base/file.hpp"
#include "tests/support/temp_folder.hpp"

namespace tine {
namespace {

using test::TempFolder;

struct Ran {
  int status = -1;
  std::string output;
  ExecFailure failure{0, "", ""};
};

Ran run(Command command) {
  int pipe[2];
  REQUIRE(::pipe2(pipe, O_CLOEXEC) == 0);
  const UniqueFd output(pipe[0]);
  UniqueFd write_end(pipe[1]);
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  command.in = null.get();
  command.out = command.err = write_end.get();
  if (command.workdir.empty()) command.workdir = "/";
  Ran ran;
  const auto spawned = spawn_command(command, ran.failure);
  REQUIRE(spawned);
  write_end.reset();
  if (*spawned < 0) return ran;
  ran.output = *read_all(output.get());
  CHECK(::waitpid(*spawned, &ran.status, 0) == *spawned);
  return ran;
}

Ran shell(const std::string& script) { return run({{"/bin/sh", "-c", script}, {"PATH=/usr/bin:/bin"}}); }

TEST_CASE("spawn: gives the command its arguments, environment, folder and umask") {
  const Ran ran = run({{"/bin/sh", "-c", "echo $0 $A; pwd; umask"}, {"A=1"}, "/usr", 027});
  CHECK(ran.output == "/bin/sh 1\n/usr\n0027\n");
  CHECK(WEXITSTATUS(ran.status) == 0);
  CHECK(run({{"/bin/sh", "-c", "echo $0", "", "x"}, {}}).output == "\n");
}

TEST_CASE("spawn: hands on descriptors 0, 1 and 2 and no other") {
  const UniqueFd leaking(::open("/dev/null", O_RDONLY));  // without close-on-exec
  CHECK(shell("for f in /proc/$$/fd/*; do echo ${f##*/}; done").output.starts_with("0\n1\n2\n"));
  CHECK(shell("[ -e /proc/$$/fd/" + std::to_string(leaking.get()) + " ] || echo gone").output == "gone\n");
}

TEST_CASE("spawn: starts a session, with no signal blocked or ignored") {
  sigset_t blocked, before;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &blocked, &before);
  const Ran ran = shell("grep SigBlk /proc/self/status; kill -TERM $$; echo survived");
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  CHECK(ran.output == "SigBlk:\t0000000000000000\n");
  CHECK(WIFSIGNALED(ran.status));
  // Field 6 of stat: the session, which is the command's own.
  CHECK(shell("set -- $(cat /proc/$$/stat); [ $1 = $6 ] && echo own").output == "own\n");
}

TEST_CASE("spawn: looks for the command on the job's own PATH, past what cannot be run") {
  const TempFolder folder;
  std::filesystem::create_directories(folder.path + "/a");
  std::filesystem::create_directories(folder.path + "/b");
  std::ofstream(folder.path + "/a/hello") << "no";
  std::ofstream(folder.path + "/b/hello") << "#!/bin/sh\necho hello $1\n";
  ::chmod((folder.path + "/b/hello").c_str(), 0755);
  CHECK(run({{"hello", "you"}, {"PATH=" + folder.path + "/a:" + folder.path + "/b"}}).output ==
        "hello you\n");
  CHECK(run({{"hello"}, {"PATH=" + folder.path + "/a"}}).failure.exit_code == 126);
  CHECK(run({{"true"}, {}}).status == 0);
}

TEST_CASE("spawn: runs a script without an interpreter line, as a shell does") {
  const TempFolder folder;
  std::ofstream(folder.path + "/plain") << "echo plain $1\n";
  ::chmod((folder.path + "/plain").c_str(), 0755);
  CHECK(run({{folder.path + "/plain", "x"}, {}}).output == "plain x\n");
}

TEST_CASE("spawn: says 127 for what is not there, 126 for what cannot be run") {
  const Ran absent = run({{"no-such-command-here"}, {"PATH=/usr/bin"}});
  CHECK(absent.failure.exit_code == 127);
  CHECK(absent.failure.message == "command not found: no-such-command-here");
  CHECK(run({{"/no/such/file"}, {}}).failure.exit_code == 127);
  CHECK(run({{"/etc/passwd"}, {}}).failure.exit_code == 126);
  CHECK(run({{"/usr"}, {}}).failure.exit_code == 126);
  const Ran homeless = run({{"true"}, {}, "/no/such/folder"});
  CHECK(homeless.failure.exit_code == 126);
  CHECK(homeless.failure.message == "workdir /no/such/folder: No such file or directory");
}

TEST_CASE("spawn: leaves no child behind when it fails") {
  (void)run({{"no-such-command-here"}, {}});
  CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);
  CHECK(errno == ECHILD);
}

TEST_CASE("spawn: sets the soft limit of descriptors that was asked for") {
  Command command{{"/bin/sh", "-c", "ulimit -Sn"}, {}};
  command.open_files_soft = 77;
  CHECK(run(command).output == "77\n");
}

}  // namespace
}  // namespace tine
