#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <exception>

#include "cmd/options.hpp"
#include "cmd/verbs/verbs.hpp"

namespace {

/// A descriptor 0, 1 or 2 that the caller closed would be taken by our socket, and printed into.
void fill_standard_descriptors() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (::fcntl(fd, F_GETFD) < 0) (void)!::open("/dev/null", O_RDWR);
  }
}

}  // namespace

int main(int argc, char** argv) {
  using namespace tine::cmd;
  fill_standard_descriptors();
  std::signal(SIGPIPE, SIG_IGN);  // a reader that left is exit 74, told; not a death

  Invocation invocation;
  try {
    if (const auto over = parse_globals(Words(argv + (argc > 0 ? 1 : 0), argv + argc), invocation))
      return *over;
    const Verb* verb = find_verb(invocation.verb);
    if (!verb) return fail_usage(invocation, "no such verb; " + did_you_mean(invocation.verb));
    return verb->run(invocation);
  } catch (const std::exception& error) {
    return fail(invocation, tine::make_error(tine::Errc::internal, error.what()));
  }
}
