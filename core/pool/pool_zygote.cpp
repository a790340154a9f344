#include "core/pool/pool_zygote.hpp"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <map>
#include <new>
#include <vector>

#include "core/pool/pool_worker.hpp"
#include "core/process/pidfd.hpp"
#include "core/process/process_tree.hpp"
#include "core/process/standard_streams.hpp"

namespace tine {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds leave_patience{2};
constexpr int end_patience_ms = 5000;  ///< for the zygote: longer than its own for the workers
constexpr int fork_retry_ms = 100;     ///< the machine had no room for a process

enum Chair : std::uint32_t { wanted, taken, vacated };

std::string told(int status) {
  if (WIFSIGNALED(status)) {
    const char* name = ::sigabbrev_np(WTERMSIG(status));
    return std::string("was killed by SIG") + (name ? name : std::to_string(WTERMSIG(status)));
  }
  return "exited with status " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

/// `ending`: the pool. A seat's `chair`: wanted (the pool; the first value) -> taken -> vacated (the zygote,
/// `pid` and `status` before it).
struct PoolZygote::Board {
  struct Seat {
    std::atomic<std::uint32_t> chair{wanted};
    std::atomic<pid_t> pid{0};
    std::atomic<int> status{0};
  };
  std::atomic<std::uint32_t> ending{0};
  std::atomic<std::uint32_t> deaths{0};  ///< told so far, so that the pool looks only when there is one
  Seat seats[CallRing::workers_max];
};

void PoolZygote::Unmap::operator()(Board* board) const { ::munmap(board, sizeof *board); }
PoolZygote::PoolZygote(PoolZygote&&) noexcept = default;
PoolZygote::~PoolZygote() = default;

/// In the zygote. run() returns when it is to end.
struct PoolZygote::Life {
  CallRing& ring;
  Board& board;
  int bell;
  std::uint32_t workers;
  UniqueFd parent, signals;
  sigset_t workers_mask;
  std::map<pid_t, std::uint32_t> seats;
  Clock::time_point leave_until = Clock::time_point::max();

  void run() {
    for (;;) {
      reap();
      const auto ending = static_cast<Ending>(board.ending.load());
      if (ending == Ending::now) return;
      bool all_there = true;
      if (ending == Ending::leave) {
        if (leave_until == Clock::time_point::max()) leave_until = Clock::now() + leave_patience;
        if (seats.empty() || Clock::now() >= leave_until) return;
      } else {
        all_there = fill_seats();
      }
      pollfd watched[3] = {{parent.get(), POLLIN, 0}, {signals.get(), POLLIN, 0}, {bell, POLLIN, 0}};
      (void)::poll(watched, 3, ending == Ending::leave || !all_there ? fork_retry_ms : -1);
      if (watched[0].revents != 0) return;
      signalfd_siginfo signal{};
      while (::read(signals.get(), &signal, sizeof signal) > 0) {
      }
      std::uint64_t count = 0;
      (void)!::read(bell, &count, sizeof count);
    }
  }

  bool fill_seats() {
    for (std::uint32_t seat = 0; seat < workers; ++seat) {
      if (board.seats[seat].chair.load() != wanted) continue;
      const pid_t zygote = ::getpid();
      const pid_t pid = ::fork();
      if (pid < 0) return false;
      if (pid == 0) {
        ::sigprocmask(SIG_SETMASK, &workers_mask, nullptr);
        for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) ::signal(signal, SIG_DFL);
        run_pool_worker(ring, seat, zygote);
        ::_exit(0);
      }
      seats[pid] = seat;
      board.seats[seat].pid = pid;
      board.seats[seat].chair = taken;
    }
    return true;
  }

  /// A dead worker's orphans have come to us, a subreaper, before its own death could be seen: they end
  /// first, then it is told.
  void reap() {
    for (;;) {
      siginfo_t info{};
      if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0) return;
      const auto found = seats.find(info.si_pid);
      if (found != seats.end()) {
        std::vector<pid_t> spared;
        for (const auto& [pid, seat] : seats) spared.push_back(pid);
        kill_strays(spared);
      }
      int status = 0;
      while (::waitpid(info.si_pid, &status, 0) < 0 && errno == EINTR) {
      }
      if (found == seats.end()) continue;
      Board::Seat& seat = board.seats[found->second];
      seats.erase(found);
      seat.status = status;
      seat.chair = vacated;
      board.deaths.fetch_add(1);
      ring.ring_bell();
    }
  }
};

Result<PoolZygote> PoolZygote::start(CallRing& ring, std::uint32_t workers) {
  PoolZygote zygote;
  zygote.workers_ = workers;
  void* memory = ::mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return errno_error("map a pool's board");
  zygote.board_.reset(new (memory) Board);
  zygote.bell_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!zygote.bell_) return errno_error("make an eventfd");

  // Not one of the program's signal handlers runs in the zygote.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pool = ::getpid();
  flush_standard_streams();
  const pid_t pid = ::fork();
  if (pid == 0) {
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) ::signal(signal, SIG_IGN);
    ::signal(SIGCHLD, SIG_DFL);
    ::prctl(PR_SET_NAME, "tine-pool");
    (void)become_subreaper();  // where the kernel refuses, orphans escape to init: the worst case without it
    Life life{ring, *zygote.board_, zygote.bell_.get(), workers, {}, {}, before, {}};
    life.parent = UniqueFd(::pidfd_open(pool, 0));
    sigset_t child;
    ::sigemptyset(&child);
    ::sigaddset(&child, SIGCHLD);
    life.signals = UniqueFd(::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK));
    if (life.parent && life.signals && ::getppid() == pool) life.run();
    kill_strays();
    ::_exit(0);
  }
  const Error error = errno_error("fork a pool's zygote");
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return error;
  zygote.pid_ = pid;
  zygote.pidfd_ = UniqueFd(::pidfd_open(pid, 0));
  if (!zygote.pidfd_) {
    const Error no_pidfd = errno_error("open a pidfd");
    ::kill(pid, SIGKILL);  // our own child, not reaped yet: the number is its own
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    return no_pidfd;
  }
  return zygote;
}

void PoolZygote::bury_dead(const std::function<void(std::uint32_t, const std::string&)>& bury) {
  if (board_->deaths.load() == 0) return;
  board_->deaths.store(0);  // before the look: one that comes now is seen below, or rings again
  for (std::uint32_t at = 0; at < workers_; ++at) {
    Board::Seat& seat = board_->seats[at];
    if (seat.chair.load() != vacated) continue;
    bury(at, "worker " + std::to_string(seat.pid) + " " + told(seat.status));
    seat.chair = wanted;
  }
  const std::uint64_t one = 1;
  (void)!::write(bell_.get(), &one, sizeof one);
}

void PoolZygote::end(Ending how) {
  if (!pidfd_) return;
  board_->ending.store(static_cast<std::uint32_t>(how));
  const std::uint64_t one = 1;
  (void)!::write(bell_.get(), &one, sizeof one);
  const auto until = Clock::now() + std::chrono::milliseconds(end_patience_ms);
  pollfd ended{pidfd_.get(), POLLIN, 0};
  for (int count = 0; count <= 0;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    if (left <= 0) {
      ::pidfd_send_signal(pidfd_.get(), SIGKILL, nullptr, 0);  // stopped by somebody; its workers die with it
      break;
    }
    count = ::poll(&ended, 1, static_cast<int>(left));
  }
  siginfo_t info{};
  while (::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED) < 0 && errno == EINTR) {
  }
  pidfd_.reset();
}

}  // namespace tine
