#pragma once
#include <pthread.h>

#include "core/shared/deadline.hpp"

namespace tine::shared {

/// A mutex in shared memory that the kernel frees when its holder dies. It belongs to a thread. What it
/// guards must be provable after a death in the middle: who is told `after_death` repairs, then calls
/// mark_consistent().
/// The kernel's limits: at most 2,048 held by one thread; exec frees it; an equal thread id in another PID
/// namespace would enter too (Segment refuses to attach there).
class RobustMutex {
 public:
  enum class Taken { yes, after_death, no };  ///< no: not in time, or held elsewhere (try_lock)

  void initialise(bool recursive);  ///< once, before anybody else sees it
  Taken lock() { return judge(::pthread_mutex_lock(&mutex_)); }
  Taken try_lock() { return judge(::pthread_mutex_trylock(&mutex_)); }
  Taken lock_until(const Deadline& deadline);
  void mark_consistent() { ::pthread_mutex_consistent(&mutex_); }
  void unlock() { ::pthread_mutex_unlock(&mutex_); }
  bool is_held_by_this_thread() const;

 private:
  static Taken judge(int code);
  pthread_mutex_t mutex_;
};

}  // namespace tine::shared
