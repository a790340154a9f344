#pragma once
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "daemon/held_calls.hpp"
#include "daemon/services.hpp"
#include "ipc/channel.hpp"

namespace tine {

/// One `map` of one connection: `map` opens it, `map.items` bring calls, `map.results` go out as they end,
/// and `map.end` is answered when all have.
struct MapRun : std::enable_shared_from_this<MapRun> {
  MapRun(Services& services, std::shared_ptr<ipc::Channel> channel, std::shared_ptr<HeldCalls> session,
         bool is_command, bool records, bool tells_ends);

  void take(const std::vector<HeldCalls::Answer>& answers);
  void end_calls();  ///< what still runs is killed
  void close();      ///< with the connection: the outputs go, too

  Services& services;
  std::shared_ptr<ipc::Channel> channel;
  std::shared_ptr<HeldCalls> session;
  Bell bell;
  std::set<std::uint64_t> files;  ///< outputs that the client was told to read: ids of their calls
  bool is_command, records;
  bool tells_ends;     ///< when it began, how long it took, how it ended, for each command
  bool ended = false;  ///< the client has said all
  bool closed = false;

 private:
  void append(std::string& results, const HeldCalls::Answer& answer);
};

}  // namespace tine
