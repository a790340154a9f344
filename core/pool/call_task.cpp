#include "core/pool/call_task.hpp"

namespace tine {

CallResult CallTask::run(const Functions::Function& function, const std::string& args_json,
                         double timeout_s) {
  CallResult result;
  if (end_ != End::own) return result;
  Scheduler& scheduler = Scheduler::here();
  party_ = &scheduler.running();
  Deadline deadline;
  deadline.call = this;
  deadline.fire = [](Timer& timer) { static_cast<Deadline&>(timer).call->stop(End::timed_out); };
  if (timeout_s > 0) {
    deadline.when = coroutine_detail::instant_after(timeout_s * 1e9);
    scheduler.timers().add(deadline);
  }
  result = call(function, args_json);
  scheduler.timers().remove(deadline);
  // Timers are looked at between switches: a function that never gave way may have run over its time.
  if (timeout_s > 0 && end_ == End::own && now() >= deadline.when) end_ = End::timed_out;
  party_->killed = false;  // came too late to be thrown: it is not for who comes after
  party_ = nullptr;
  return result;
}

CallResult CallTask::call(const Functions::Function& function, const std::string& args_json) const {
  try {
    return function(args_json);
  } catch (const std::exception& error) {
    return {"", "Exception", error.what()};
  } catch (const TaskKilled& killed) {
    return {"", "TaskKilled", killed.what()};
  } catch (...) {
    return {"", "Exception", "unknown"};
  }
}

void CallTask::stop(End why) {
  if (end_ == End::own) end_ = why;
  if (!party_) return;
  party_->killed = true;
  party_->interrupt();
}

}  // namespace tine
