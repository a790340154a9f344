#include "core/pool/worker_desk.hpp"

#include <fcntl.h>
#include <unistd.h>

#include "core/base/bytes.hpp"
#include "core/base/failpoint.hpp"

namespace tine {

WorkerDesk::WorkerDesk(const WorkerContext& context) : context_(context), zygote_(::getppid()) {}

bool WorkerDesk::open() {
  state_dir_ = UniqueFd(::open(context_.setup.state_dir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  auto spool = Spool::create(context_.setup.state_dir, context_.seat);
  if (!spool || !state_dir_) return false;
  spool_ = std::move(*spool);
  failpoint("worker.born");
  redial();
  return true;
}

bool WorkerDesk::is_done() const {
  // Without a daemon there is nothing to wait for: what is unstored lies in the spool for the next one.
  if (!link_.is_open()) return true;
  return leaving_ && is_cleared() && !link_.wants_to_write();
}

void WorkerDesk::look_at_zygote() {
  if (::getppid() != zygote_) leaving_ = true;
}

void WorkerDesk::redial() {
  if (link_.dial(state_dir_.get())) say_hello();
}

void WorkerDesk::say_hello() {
  WorkerHello hello{context_.seat.key, context_.seat.pool, context_.seat.slot, ::getpid(), said_hello_};
  said_hello_ = true;
  link_.send(FrameType::hello, encode(hello));
  failpoint("worker.hello");
  for (const auto& record : spool_->unstored()) send_record(record.seq, record.outcome_bytes);
}

void WorkerDesk::send_record(std::uint64_t seq, const std::string& outcome_bytes, bool later) {
  ByteWriter out;
  out.number<std::uint64_t>(seq);
  out.string(outcome_bytes);
  later ? link_.send_later(FrameType::ended, out.bytes()) : link_.send(FrameType::ended, out.bytes());
}

void WorkerDesk::record(OrderKind kind, Outcome& outcome, std::uint32_t place, bool later) {
  std::string bytes = encode(outcome);
  auto seq = spool_->append(kind, bytes);
  while (!seq) {
    if (!outcome.result_json.empty()) outcome.state = JobState::failed;
    outcome.result_json.clear();
    outcome.stdout_inline.clear();
    outcome.stderr_inline.clear();
    outcome.error_type = "ResultLost";
    outcome.error_message = seq.error().message();
    bytes = encode(outcome);
    seq = spool_->append(kind, bytes);
  }
  failpoint("worker.recorded");
  spool_->clear_offer(place);
  send_record(*seq, bytes, later);
  failpoint("worker.reported");
}

bool WorkerDesk::is_cleared() const { return spool_->unstored().empty(); }

void WorkerDesk::close() {
  if (is_cleared()) Spool::remove(context_.setup.state_dir, context_.seat.key);
  failpoint("worker.left");
}

}  // namespace tine
