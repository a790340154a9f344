#include <arpa/inet.h>
#include <netdb.h>
#include <signal.h>
#include <sys/eventfd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "core/base/unique_fd.hpp"
#include "core/coroutine/blocking_calls.hpp"
#include "core/coroutine/libc_calls.hpp"
#include "core/coroutine/scheduler.hpp"

namespace tine {
namespace {

/// One lookup, owned by the helper thread and by the task that asked, which may be gone before the answer.
struct Lookup {
  std::optional<std::string> node, service;
  std::optional<addrinfo> hints;
  UniqueFd answered;
  addrinfo* found = nullptr;
  int result = 0, error = 0;
  ~Lookup() {
    if (found) ::freeaddrinfo(found);
  }
};

struct Helpers {
  int free = resolver_threads_max;
  coroutine_detail::WaitQueue waiting;
};
thread_local Helpers helpers;

bool is_numeric(const char* node, const addrinfo* hints) {
  unsigned char address[16];
  return !node || (hints && (hints->ai_flags & AI_NUMERICHOST)) || ::inet_pton(AF_INET, node, address) == 1 ||
         ::inet_pton(AF_INET6, node, address) == 1;
}

void look_up(const std::shared_ptr<Lookup>& lookup) {
  lookup->result = libc().getaddrinfo(lookup->node ? lookup->node->c_str() : nullptr,
                                      lookup->service ? lookup->service->c_str() : nullptr,
                                      lookup->hints ? &*lookup->hints : nullptr, &lookup->found);
  lookup->error = errno;
  ::eventfd_write(lookup->answered.get(), 1);
}

bool start_helper(const std::shared_ptr<Lookup>& lookup) {
  sigset_t all, before;  // the program's handlers run in the program's threads
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  bool started = true;
  try {
    std::thread(look_up, lookup).detach();
  } catch (const std::system_error&) {
    started = false;
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return started;
}

}  // namespace
}  // namespace tine

using namespace tine;

extern "C" int getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** found) {
  if (!Scheduler::running_task() || is_numeric(node, hints))
    return libc().getaddrinfo(node, service, hints, found);
  struct Seat {
    Seat() {
      while (helpers.free == 0) {
        if (Scheduler::running_task()->c_calls == 0)
          helpers.waiting.wait();
        else
          helpers.waiting.wait_uninterrupted();
      }
      --helpers.free;
    }
    ~Seat() {
      ++helpers.free;
      helpers.waiting.wake_one();
    }
  } const seat;
  const auto lookup = std::make_shared<Lookup>();
  lookup->answered.reset(::eventfd(0, EFD_CLOEXEC));
  if (!lookup->answered) return EAI_SYSTEM;
  if (node) lookup->node = node;
  if (service) lookup->service = service;
  if (hints) lookup->hints = *hints;
  if (!start_helper(lookup)) return EAI_AGAIN;
  eventfd_t one;
  // A task that is thrown out of here leaves the answer to the helper.
  if (::read(lookup->answered.get(), &one, sizeof one) < 0) return EAI_SYSTEM;
  *found = std::exchange(lookup->found, nullptr);
  errno = lookup->error;
  return lookup->result;
}
