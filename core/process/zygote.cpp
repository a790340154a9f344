#include "core/process/zygote.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <utility>

#include "core/base/bytes.hpp"
#include "core/base/failpoint.hpp"
#include "core/pool/co_process.hpp"
#include "core/pool/coroutine_worker.hpp"
#include "core/pool/daemon_link.hpp"
#include "core/pool/functions.hpp"
#include "core/pool/http_get.hpp"
#include "core/pool/job_environment.hpp"
#include "core/pool/module_loader.hpp"
#include "core/pool/worker_loop.hpp"
#include "core/process/huge_pages.hpp"
#include "core/process/process_tree.hpp"

namespace tine {
namespace {

/// Blocks. False: the zygote has ended.
bool wait_for_seat(DaemonLink zygote, WorkerSeat& seat) {
  while (zygote.is_open()) {
    pollfd seated{zygote.fd(), POLLIN, 0};
    if (::poll(&seated, 1, -1) > 0) zygote.serve(seated.revents);
    if (const auto frame = zygote.next()) return decode(frame->payload, seat);
  }
  return false;
}

class Zygote {
 public:
  explicit Zygote(int control) : link_(control) {}

  int run() {
    ::fcntl(link_.fd(), F_SETFD, FD_CLOEXEC);
    sigset_t child;
    ::sigemptyset(&child);
    ::sigaddset(&child, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &child, nullptr);
    signals_ = UniqueFd(::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK));
    for (;;) {
      if (is_worker_) return worker_status_;
      if (failed_ || (!link_.is_open() && workers_.empty())) return end_spare();
      step();
    }
  }

 private:
  void step() {
    pollfd watched[2] = {{signals_.get(), POLLIN, 0},
                         {link_.is_open() ? link_.fd() : -1,
                          static_cast<short>(POLLIN | (link_.wants_to_write() ? POLLOUT : 0)), 0}};
    if (::poll(watched, 2, -1) < 0) return;
    if (watched[1].revents) link_.serve(watched[1].revents);
    while (auto frame = link_.next()) {
      take(*frame);
      if (is_worker_ || failed_) return;
    }
    if (std::exchange(wants_spare_, false)) fork_spare();
    if (is_worker_) return;
    signalfd_siginfo ignored{};
    while (::read(signals_.get(), &ignored, sizeof ignored) > 0) {
    }
    reap();
  }

  void take(const DaemonLink::Frame& frame) {
    if (frame.type == FrameType::setup) {
      load(frame.payload);
    } else if (frame.type == FrameType::fork_worker) {
      WorkerSeat seat;
      if (!decode(frame.payload, seat)) return;
      auto prints = link_.take_descriptors(seat.tasks > 0 ? 1 : 0);
      fork_worker(seat, prints.empty() ? UniqueFd() : std::move(prints.front()));
    }
  }

  void load(const std::string& payload) {
    if (!decode(payload, setup_)) return fail("its setup cannot be read");
    if (auto status = functions_.add("http.get", make_http_get()); !status)
      return fail(status.error().message());
    for (const auto& module : setup_.modules)
      if (auto status = load_module(module, functions_); !status) return fail(status.error().message());
    if (!setup_.modules.empty()) fold_into_huge_pages();
    for (const auto& function : setup_.functions)
      if (auto status = add_co_process(function); !status) return fail(status.error().message());
    ByteWriter out;
    out.strings(functions_.names());
    link_.send(FrameType::ready, out.bytes());
  }

  /// Each worker forks with a copy of it, not started yet.
  Status add_co_process(const CoProcessSpec& function) {
    std::vector<std::string> environment;
    for (char** entry = environ; *entry; ++entry)
      if (!std::string_view(*entry).starts_with("TINE_") && !is_of_service_manager(*entry))
        environment.emplace_back(*entry);
    environment.push_back("TINE_SOCKET=" + setup_.socket_path);
    environment.push_back("TINE_AUTOSTART=0");
    environment.push_back("TINE_FUNCTION=" + function.name);
    auto process = std::make_shared<CoProcess>(function, std::move(environment), setup_.open_files_soft);
    return functions_.add(function.name, [process](const std::string& args) { return process->call(args); });
  }

  void fail(const std::string& why) {
    ByteWriter out;
    out.string(why);
    link_.send(FrameType::setup_failed, out.bytes());
    failed_ = true;
  }

  void fork_worker(const WorkerSeat& seat, UniqueFd prints) {
    failpoint("zygote.fork");
    const bool is_coroutine_worker = seat.tasks > 0;
    pid_t pid = is_coroutine_worker ? 0 : seat_spare(seat);
    wants_spare_ |= !is_coroutine_worker && !setup_.modules.empty();
    if (pid == 0) {
      std::fflush(nullptr);
      pid = ::fork();
      if (pid == 0) {
        leave_zygote();
        return work(seat, std::move(prints));
      }
    }
    failpoint("zygote.forked");
    ByteWriter out;
    out.string(seat.key);
    out.number<std::int32_t>(pid > 0 ? pid : 0);
    if (pid > 0)
      workers_[pid] = seat.key;
    else
      out.string(std::strerror(errno));
    link_.send(FrameType::forked, out.bytes());
  }

  /// A worker ahead of its seat. What modules hold makes a fork slow, and whoever waits for a worker to be
  /// replaced does not have to wait for that. Without one all goes on as ever, so errors are not told.
  void fork_spare() {
    if (spare_.pid > 0) return;
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) return;
    DaemonLink ours(pair[0]), theirs(pair[1]);
    std::fflush(nullptr);
    const pid_t pid = ::fork();
    if (pid > 0) spare_ = {pid, std::move(ours)};
    if (pid != 0) return;
    leave_zygote();
    ours.close();
    ::prctl(PR_SET_NAME, "tine-spare");
    WorkerSeat seat;
    if (wait_for_seat(std::move(theirs), seat)) work(seat, {});
  }

  /// Its pid; 0: there is none.
  pid_t seat_spare(const WorkerSeat& seat) {
    spare_.link.send(FrameType::fork_worker, encode(seat));  // closes the link if it has died
    return spare_.link.is_open() ? std::exchange(spare_, {}).pid : 0;
  }

  int end_spare() {
    if (spare_.pid > 0) {
      ::kill(spare_.pid, SIGKILL);
      (void)::waitpid(spare_.pid, nullptr, 0);
    }
    return 0;
  }

  /// In a fork: what is the zygote's alone.
  void leave_zygote() {
    is_worker_ = true;
    link_.close();
    spare_.link.close();  // it sees the zygote's end by its own end of it
    signals_.reset();
  }

  void work(const WorkerSeat& seat, UniqueFd prints) {
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) ::signal(signal, SIG_DFL);
    const WorkerContext context{seat, setup_, functions_};
    worker_status_ = seat.tasks > 0 ? run_coroutine_worker(context, std::move(prints)) : run_worker(context);
  }

  std::vector<pid_t> worker_pids() const {
    std::vector<pid_t> pids;
    for (const auto& [pid, key] : workers_) pids.push_back(pid);
    if (spare_.pid > 0) pids.push_back(spare_.pid);
    return pids;
  }

  /// A worker's orphans have come to us, a subreaper, before its own death could be seen: they end first,
  /// then it is told.
  void reap() {
    for (;;) {
      siginfo_t info{};
      if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0) return;
      const pid_t pid = info.si_pid;
      const auto found = workers_.find(pid);
      if (found != workers_.end()) kill_strays(worker_pids());
      int status = 0;
      while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
      }
      if (pid == spare_.pid) spare_ = {};
      if (found == workers_.end()) continue;
      failpoint("zygote.reaped");
      ByteWriter out;
      out.string(found->second);
      out.number<std::int32_t>(pid);
      out.number<std::int32_t>(status);
      workers_.erase(found);
      link_.send(FrameType::gone, out.bytes());
    }
  }

  struct Spare {
    pid_t pid = 0;
    DaemonLink link;
  };

  DaemonLink link_;
  UniqueFd signals_;
  ZygoteSetup setup_;
  Functions functions_ = Functions::with_built_ins();
  std::map<pid_t, std::string> workers_;
  Spare spare_;
  bool wants_spare_ = false;
  bool is_worker_ = false;
  bool failed_ = false;
  int worker_status_ = 0;
};

}  // namespace

int run_zygote(int control) {
  ::prctl(PR_SET_NAME, "tine-zygote");
  (void)become_subreaper();  // where the kernel refuses, orphans escape to init: the worst case without it
  // It ends with its daemon and its workers, not with somebody's terminal.
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) ::signal(signal, SIG_IGN);
  return Zygote(control).run();
}

}  // namespace tine
