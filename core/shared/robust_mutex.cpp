#include "core/shared/robust_mutex.hpp"

#include <unistd.h>

#include <cerrno>

namespace tine::shared {

void RobustMutex::initialise(bool recursive) {
  pthread_mutexattr_t attributes;
  ::pthread_mutexattr_init(&attributes);
  ::pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  ::pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  ::pthread_mutexattr_settype(&attributes, recursive ? PTHREAD_MUTEX_RECURSIVE : PTHREAD_MUTEX_NORMAL);
  ::pthread_mutex_init(&mutex_, &attributes);
  ::pthread_mutexattr_destroy(&attributes);
}

RobustMutex::Taken RobustMutex::lock_until(const Deadline& deadline) {
  // Mostly it is free, and the clock is not asked then.
  if (const auto taken = try_lock(); taken != Taken::no || !deadline)
    return taken != Taken::no ? taken : lock();
  const auto end = to_timespec(*deadline);
  return judge(::pthread_mutex_clocklock(&mutex_, CLOCK_MONOTONIC, &end));
}

bool RobustMutex::is_held_by_this_thread() const { return mutex_.__data.__owner == ::gettid(); }

RobustMutex::Taken RobustMutex::judge(int code) {
  if (code == 0) return Taken::yes;
  return code == EOWNERDEAD ? Taken::after_death : Taken::no;
}

}  // namespace tine::shared
