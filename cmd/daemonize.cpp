#include "cmd/daemonize.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "core/base/file.hpp"
#include "core/process/spawn.hpp"

namespace tine {

int start_in_background(std::vector<std::string> arguments) {
  auto pipe = make_pipe();
  if (!pipe) return 125;
  const auto& [read_end, write_end] = *pipe;
  arguments.push_back("--ready-fd");
  arguments.push_back(std::to_string(write_end.get()));
  auto child = spawn_self(arguments, {write_end.get()}, NewSession::yes);
  if (!child) {
    std::fprintf(stderr, "tined: %s\n", child.error().message().c_str());
    return exit_code_of(child.error());
  }
  pipe->write_end.reset();
  char byte = 0;
  ssize_t got = 0;
  while ((got = ::read(read_end.get(), &byte, 1)) < 0 && errno == EINTR) {
  }
  if (got == 1) return 0;
  int status = 0;
  while (::waitpid(*child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void tell_ready(int ready_fd) {
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  for (int fd = 0; fd < 3; ++fd) ::dup2(null.get(), fd);
  const char byte = 1;
  if (::write(ready_fd, &byte, 1) < 0) return;  // who waited has gone: nothing to tell
  ::close(ready_fd);
}

void notify_service_manager(const char* state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address{};
  if (!path || std::strlen(path) >= sizeof address.sun_path) return;
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, path);
  if (path[0] == '@') address.sun_path[0] = '\0';
  const UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + std::strlen(path));
  ::sendto(fd.get(), state, std::strlen(state), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address),
           size);
}

}  // namespace tine
