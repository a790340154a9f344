#include "core/base/failpoint.hpp"

#ifdef TINE_FAILPOINTS
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <deque>
#include <string>

namespace tine {
namespace {

struct Failpoint {
  std::string name, action;
  unsigned nth = 1;
  std::atomic<unsigned> passed{0};  ///< the store has a thread of its own
};

/// "name=action@N,..." as it was when this program was executed.
std::deque<Failpoint>& failpoints() {
  static std::deque<Failpoint> list;
  static const bool parsed = [] {
    const char* text = ::getenv("TINE_FAILPOINT");
    std::string_view rest = text ? text : "";
    while (!rest.empty()) {
      std::string_view one = rest.substr(0, rest.find(','));
      rest.remove_prefix(std::min(rest.size(), one.size() + 1));
      const auto equals = one.find('='), at = one.find('@');
      if (equals == std::string_view::npos) continue;
      auto& point = list.emplace_back();
      point.name = one.substr(0, equals);
      point.action = one.substr(equals + 1, at == std::string_view::npos ? at : at - equals - 1);
      if (at != std::string_view::npos)
        point.nth = static_cast<unsigned>(std::atoi(std::string(one.substr(at + 1)).c_str()));
    }
    return true;
  }();
  (void)parsed;
  return list;
}

bool is_the_one() {
  const char* once = ::getenv("TINE_FAILPOINT_ONCE");
  if (once == nullptr) return true;
  const int fd = ::open(once, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  ::close(fd);
  return true;
}

int errno_named(const std::string& name) {
  if (name == "ENOSPC") return ENOSPC;
  if (name == "EMFILE") return EMFILE;
  if (name == "EAGAIN") return EAGAIN;
  return EIO;
}

}  // namespace

int failpoint(std::string_view name) {
  for (Failpoint& point : failpoints()) {
    if (point.name != name || ++point.passed != point.nth || !is_the_one()) continue;
    if (point.action == "kill") ::kill(::getpid(), SIGKILL);
    if (point.action == "stop") ::kill(::getpid(), SIGSTOP);
    if (point.action == "exit") ::_exit(1);
    if (point.action.rfind("error:", 0) == 0) return errno_named(point.action.substr(6));
  }
  return 0;
}

}  // namespace tine
#endif
