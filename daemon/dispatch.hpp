#pragma once
#include "core/base/result.hpp"
#include "daemon/services.hpp"
#include "ipc/channel.hpp"
#include "ipc/codec.hpp"

namespace tine {

struct MapRun;
class SingleCalls;

/// One request on its way: what a verb's handler is given.
struct Call {
  Services& services;
  ipc::Channel& channel;
  const ipc::Json& params;
  std::vector<UniqueFd> descriptors;           ///< that came with the request
  std::shared_ptr<MapRun>& map_run;            ///< the connection's, null: there is none
  std::shared_ptr<SingleCalls>& single_calls;  ///< likewise
  std::string error_type = {};   ///< set beside an Error: what a function threw, for the reply's data
  std::string result_text = {};  ///< set beside an Answer: the result, which is JSON on one line already
};

/// {"jobs":[…]}, at the end of a text: an answer's result_text.
class JobsText {
 public:
  explicit JobsText(std::string& json) : json_(json) { json_ += R"({"jobs":[)"; }
  void add(std::string_view record) {
    if (json_.back() != '[') json_ += ',';
    json_ += record;
  }
  /// `more`: further members, each with a comma before it.
  void end(std::string_view more = "") { json_.append("]").append(more).append("}"); }

 private:
  std::string& json_;
};

using Answer = Result<ipc::OrderedJson>;
using Handler = Answer (*)(Call&);

/// When a verb's answer comes. All but the first run on a fiber of their own, so that the session reads on.
enum class Pace {
  at_once,  ///< from memory
  soon,     ///< after the store
  called,   ///< when a function has answered: mostly as soon, but that is up to the function
  waits     ///< when something has happened, which may take days
};

struct Verb {
  Handler handler = nullptr;
  Pace pace = Pace::at_once;
};

/// The one table: method -> handler. nullptr: there is no such method.
const Verb* find_verb(std::string_view method);

namespace verbs {
Answer ping(Call&);
Answer status(Call&);
Answer metrics(Call&);
Answer submit(Call&);
Answer batch(Call&);
Answer run(Call&);
Answer wait(Call&);
Answer call(Call&);
Answer map(Call&);
Answer map_items(Call&);
Answer map_end(Call&);
Answer show(Call&);
Answer list(Call&);
Answer logs(Call&);
Answer cancel(Call&);
Answer kill(Call&);
Answer hold(Call&);
Answer release(Call&);
Answer pause(Call&);
Answer resume(Call&);
Answer retry(Call&);
Answer why(Call&);
Answer clean(Call&);
Answer events(Call&);
Answer shutdown(Call&);
Answer pool_list(Call&);
Answer pool_add(Call&);
Answer pool_resize(Call&);
Answer pool_close(Call&);
Answer pool_pause(Call&);
Answer pool_resume(Call&);
Answer pool_remove(Call&);
Answer pool_open(Call&);
Answer pool_join(Call&);
Answer pool_terminate(Call&);

/// The ids a selection names, ascending, ended ones included. Errors: Errc::absent naming the selector that
/// has none.
Result<std::vector<std::pair<JobId, JobState>>> select_jobs(Call& call);
/// Whole records of these jobs, in this order; what is gone meanwhile is left out.
Result<std::vector<ipc::JobRow>> read_rows(Services& services, const std::vector<JobId>& ids);
/// Answers when all of `ids` have ended; tells the channel of each on the way with `stream`.
struct WaitFor {
  std::vector<JobId> ids;
  bool any = false, records = false, stream = false;
  bool progress = false;  ///< say at first how many there are
  std::optional<double> timeout_s;
};
Answer wait_for(Call& call, WaitFor wanted);
}  // namespace verbs

}  // namespace tine
