#pragma once
#include <memory>

#include "core/pool/daemon_link.hpp"
#include "core/pool/spool.hpp"
#include "core/pool/worker_loop.hpp"

namespace tine {

/// What every worker has, whatever it runs: its spool, its link to the daemon, and how an end goes to both.
class WorkerDesk {
 public:
  explicit WorkerDesk(const WorkerContext& context);
  /// Makes the spool and dials. false: there is no place for it, and the worker is of no use.
  bool open();

  Spool& spool() { return *spool_; }
  DaemonLink& link() { return link_; }
  const DaemonLink& link() const { return link_; }
  /// Without a daemon, or once it is to leave and the store has all of its records, an idle worker is done.
  bool is_done() const;
  /// It gets nothing more to do: the daemon says so, or the zygote that forked it has gone.
  void leave() { leaving_ = true; }
  void look_at_zygote();
  void redial();

  /// Keeps an end until the store has it, and tells the daemon. Needs a place: !spool().is_full(). One that
  /// is too large, where there is no room on the disk beside it, loses its result and its output.
  /// `later`: the daemon hears of it with what is sent next.
  void record(OrderKind kind, Outcome& outcome, std::uint32_t place = 0, bool later = false);
  /// Whether all that lies in the spool is stored.
  bool is_cleared() const;
  /// The spool file goes, if it is cleared. It is to be the last of the worker's files: where it is found,
  /// the next start looks for the others.
  void close();

 private:
  void say_hello();
  void send_record(std::uint64_t seq, const std::string& outcome_bytes, bool later = false);

  const WorkerContext& context_;
  pid_t zygote_;
  UniqueFd state_dir_;
  std::unique_ptr<Spool> spool_;
  DaemonLink link_;
  bool said_hello_ = false;
  bool leaving_ = false;
};

}  // namespace tine
