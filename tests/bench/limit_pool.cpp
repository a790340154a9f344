// The limit of a pool of two: two processes that do nothing but posix_spawn, capture the output in a file,
// and wait. limit_pool COUNT COMMAND ARG...
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <initializer_list>

namespace {

bool run_once(char** command, const char* folder) {
  char out[4096], err[4096];
  std::snprintf(out, sizeof out, "%s/%d.out", folder, static_cast<int>(::getpid()));
  std::snprintf(err, sizeof err, "%s/%d.err", folder, static_cast<int>(::getpid()));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_addopen(&actions, 2, err, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  pid_t pid = 0;
  const bool spawned = ::posix_spawnp(&pid, command[0], &actions, nullptr, command, environ) == 0;
  posix_spawn_file_actions_destroy(&actions);
  int status = 1;
  return spawned && ::waitpid(pid, &status, 0) == pid && status == 0;
}

int work(int count, char** command, const char* folder) {
  for (int i = 0; i < count; ++i) {
    if (!run_once(command, folder)) return 1;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const int count = std::atoi(argv[1]);
  char folder[] = "/tmp/limit-pool-XXXXXX";
  if (!::mkdtemp(folder)) return 74;
  const pid_t other = ::fork();
  if (other == 0) ::_exit(work(count / 2, argv + 2, folder));
  const int mine = work(count - count / 2, argv + 2, folder);
  int status = 0;
  ::waitpid(other, &status, 0);
  for (const pid_t pid : {other, ::getpid()}) {
    for (const char* stream : {"out", "err"}) {
      char path[4096];
      std::snprintf(path, sizeof path, "%s/%d.%s", folder, static_cast<int>(pid), stream);
      ::unlink(path);
    }
  }
  ::rmdir(folder);
  return mine || status ? 1 : 0;
}
