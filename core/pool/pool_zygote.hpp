#pragma once
#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/base/result.hpp"
#include "core/base/unique_fd.hpp"
#include "core/pool/call_ring.hpp"

namespace tine {

/// The process that forks a pool's workers and reaps them: a fork of the pool's program with one thread, so
/// that every worker, and each one that replaces a dead one, is a clean fork. When a worker dies, what it had
/// forked is killed. It ends when the pool says so or the pool's process ends; its workers end with it.
///
/// The two agree through a board in shared memory; a kill -9 of either leaves it as it is, and the other one
/// notices by pidfd.
class PoolZygote {
 public:
  /// Forks it, and it forks the workers. To be called before the pool has threads. `ring` must outlive it.
  /// Errors: fork, EMFILE, ENOMEM.
  static Result<PoolZygote> start(CallRing& ring, std::uint32_t workers);
  PoolZygote(PoolZygote&&) noexcept;
  ~PoolZygote();

  int pidfd() const { return pidfd_.get(); }  ///< readable when it has ended
  pid_t pid() const { return pid_; }

  /// Tells of each worker that has ended since the last call, reaped, its descendants killed: its seat and
  /// how it ended. Its seat is filled again after `bury` has returned. The ring's bell rings when there is
  /// one.
  void bury_dead(const std::function<void(std::uint32_t seat, const std::string& how)>& bury);

  enum class Ending : std::uint32_t {
    leave = 1,  ///< workers leave by themselves, and are killed after 2 s
    now = 2     ///< SIGKILL
  };
  /// Back when the zygote and all workers have ended.
  void end(Ending how);

 private:
  struct Board;
  struct Unmap {
    void operator()(Board* board) const;
  };
  struct Life;

  PoolZygote() = default;
  std::unique_ptr<Board, Unmap> board_;
  UniqueFd bell_;  ///< an eventfd that wakes the zygote
  UniqueFd pidfd_;
  pid_t pid_ = 0;
  std::uint32_t workers_ = 0;
};

}  // namespace tine
