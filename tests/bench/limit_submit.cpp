// The limit of a submit: a server that answers a line after one write and one fdatasync, and the smallest
// client. limit_submit serve SOCKET FILE sync|nosync     limit_submit ask SOCKET
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

namespace {

constexpr char request[] = R"({"jsonrpc":"2.0","id":1,"method":"submit","params":{"command":["/bin/true"]}})"
                           "\n";

sockaddr_un address_of(const char* path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  return address;
}

bool read_line(int fd) {
  char block[4096];
  for (;;) {
    const auto size = ::read(fd, block, sizeof block);
    if (size <= 0) return false;
    if (block[size - 1] == '\n') return true;
  }
}

int serve(const char* path, const char* file, bool syncs) {
  const auto address = address_of(path);
  const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int log = ::open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 ||
      ::listen(listener, 16) < 0)
    return 73;
  for (;;) {
    const int client = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) return 74;
    while (read_line(client)) {
      if (::write(log, request, sizeof request - 1) < 0 || (syncs && ::fdatasync(log) < 0)) return 74;
      if (::write(client, "1\n", 2) != 2) break;
    }
    ::close(client);
  }
}

int ask(const char* path) {
  const auto address = address_of(path);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) return 69;
  if (::write(fd, request, sizeof request - 1) < 0 || !read_line(fd)) return 69;
  return ::write(1, "1\n", 2) == 2 ? 0 : 74;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 5 && std::strcmp(argv[1], "serve") == 0)
    return serve(argv[2], argv[3], std::strcmp(argv[4], "sync") == 0);
  if (argc == 3 && std::strcmp(argv[1], "ask") == 0) return ask(argv[2]);
  return 2;
}
