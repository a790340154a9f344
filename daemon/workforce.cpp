#include "daemon/workforce.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/bytes.hpp"
#include "core/base/clock.hpp"
#include "core/base/failpoint.hpp"
#include "core/process/memory_group.hpp"
#include "core/process/pidfd.hpp"
#include "core/process/process_tree.hpp"

namespace tine {
namespace {

using namespace std::chrono_literals;

constexpr auto socket_check_interval = 500ms;
constexpr auto accept_retry_interval = 100ms;
/// A worker that ends nothing for so long gives its line back.
constexpr auto line_check_interval = 10ms;

/// Where a record could not be stored yet (a full disk), those after it do not count.
void note_stored(Worker& worker, std::uint64_t seq) {
  if (seq > worker.seq_stored) worker.stored_ahead.insert(seq);
  while (worker.stored_ahead.erase(worker.seq_stored + 1) > 0) ++worker.seq_stored;
}

/// Of a worker that does one thing at a time. After recall_all() it begins nothing more, so there is one at
/// most.
Spool::Offer begun_offer(const Spool& spool) {
  for (std::uint32_t place = 0; place < spool.offers(); ++place)
    if (const auto offer = spool.offer(place); offer.state == Spool::OfferState::begun) return offer;
  return {};
}

std::optional<Spool::Offer> recalled_offer(const Spool& spool, JobId job) {
  for (std::uint32_t place = 0; place < spool.offers(); ++place)
    if (const auto offer = spool.offer(place);
        job != 0 && offer.state == Spool::OfferState::recalled && offer.job == job)
      return offer;
  return std::nullopt;
}

void set_held(Worker& worker, const StartOrder& order) {
  worker.job = order.job;
  worker.attempt = order.attempt;
  worker.kind = order.kind;
}

/// Its word does not say any more that it is offered. Not for what was recalled.
bool was_begun(const Spool& spool, const StartOrder& order) {
  const auto offer = spool.offer(order.place);
  return offer.state != Spool::OfferState::offered || offer.job != order.job ||
         offer.attempt != order.attempt;
}

std::uint64_t inode_of(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0 ? info.st_ino : 0;
}

}  // namespace

Workforce::Workforce(asio::io_context& loop, ZygoteSetup setup, Listener& listener)
    : loop_(loop),
      setup_(std::move(setup)),
      listener_(listener),
      acceptor_(loop),
      socket_check_(loop),
      respawn_(loop),
      pulse_check_(loop),
      line_check_(loop),
      key_prefix_(std::to_string(now_micros()) + "-") {}

Workforce::~Workforce() = default;

Status Workforce::start() {
  if (auto status = listen(); !status) return status;
  watch_socket();
  return spawn_zygote();
}

Status Workforce::listen() {
  const UniqueFd folder(::open(setup_.state_dir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return errno_error("open " + setup_.state_dir);
  const std::string real = setup_.state_dir + "/workers.sock";
  const std::string path = "/proc/self/fd/" + std::to_string(folder.get()) + "/workers.sock";
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return errno_error("make a socket");
  ::unlink(real.c_str());
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0)
    return errno_error("bind " + real);
  ::chmod(real.c_str(), 0600);
  if (::listen(fd.get(), SOMAXCONN) < 0) return errno_error("listen on " + real);
  std::error_code ignored;
  acceptor_.close(ignored);
  acceptor_.assign(asio::local::stream_protocol(), fd.release());
  inode_ = inode_of(real);
  accept();
  return ok();
}

void Workforce::accept() {
  acceptor_.async_accept([this](const std::error_code& error, asio::local::stream_protocol::socket socket) {
    if (error == asio::error::operation_aborted || stopping_) return;
    if (error) {
      // Short of descriptors: the worker still waits and would be reported again at once.
      spdlog::error("accept a worker: {}", error.message());
      auto timer = std::make_shared<asio::steady_timer>(loop_, accept_retry_interval);
      return timer->async_wait([this, timer](const std::error_code& stopped) {
        if (!stopped && !stopping_) accept();
      });
    }
    welcome(std::move(socket));
    accept();
  });
}

void Workforce::welcome(FrameLink::Socket socket) {
  auto link = std::make_shared<FrameLink>(std::move(socket));
  // Until it has said who it is; then its frames go to worker_frame by key.
  link->start(
      [this, weak = std::weak_ptr(link), key = std::make_shared<std::string>()](FrameType type,
                                                                                std::string_view payload) {
        if (type == FrameType::hello) {
          WorkerHello hello;
          if (!decode(payload, hello)) return;
          *key = hello.key;
          if (auto strong = weak.lock()) worker_said_hello(strong, payload);
          return;
        }
        if (!key->empty()) worker_frame(*key, type, payload);
      },
      [this, raw = link.get()] {
        for (auto& [key, worker] : workers_)
          if (worker->link.get() == raw) worker->link.reset();
      });
}

void Workforce::watch_socket() {
  socket_check_.expires_after(socket_check_interval);
  socket_check_.async_wait([this](const std::error_code& error) {
    if (error || stopping_) return;
    if (inode_of(setup_.state_dir + "/workers.sock") != inode_)
      if (auto status = listen(); !status) spdlog::error("{}", status.error().message());
    watch_socket();
  });
}

Worker* Workforce::adopt(const std::string& key) {
  auto spool = Spool::attach(setup_.state_dir, key);
  if (!spool) {
    spdlog::warn("{}", spool.error().message());
    forget_files(key);
    return nullptr;
  }
  auto worker = std::make_unique<Worker>();
  worker->seat = (*spool)->seat();
  worker->pid = (*spool)->pid();
  worker->is_ours = false;
  worker->is_leaving = true;
  worker->spool = std::move(*spool);
  worker->make_places();
  worker->seq_seen = worker->seq_stored = worker->spool->stored();
  Worker& adopted = *worker;
  workers_[key] = std::move(worker);
  return &adopted;
}

void Workforce::watch_death(Worker& worker) {
  const int fd = worker.spool->worker_lives() ? static_cast<int>(::pidfd_open(worker.pid, 0)) : -1;
  if (fd < 0) {
    asio::post(loop_, [this, key = worker.seat.key] {
      if (const auto found = workers_.find(key); found != workers_.end()) settle(*found->second);
    });
    return;
  }
  worker.death = std::make_unique<asio::posix::stream_descriptor>(loop_, fd);
  worker.death->async_wait(asio::posix::stream_descriptor::wait_read,
                           [this, key = worker.seat.key](const std::error_code& error) {
                             if (error || stopping_) return;
                             if (const auto found = workers_.find(key); found != workers_.end())
                               settle(*found->second);
                           });
}

bool Workforce::deliver_records(Worker& worker, const Spool::Offer& offer) {
  bool witnessed = false;
  for (const auto& record : worker.spool->unstored()) {
    if (const auto outcome = decode_outcome(record.outcome_bytes))
      witnessed |=
          outcome->job == offer.job && outcome->attempt == offer.attempt && record.kind == offer.kind;
    take_record(worker, record.kind, record.seq, record.outcome_bytes);
  }
  return witnessed;
}

void Workforce::settle(Worker& worker) {
  if (!worker.is_ours && worker.spool && worker.spool->worker_lives()) {
    if (worker.is_coroutine()) return settle_living_tasks(worker);
    // An adopted worker that still runs: one compare-and-swap decides who has what it was offered.
    worker.spool->recall_all();
    const auto offer = begun_offer(*worker.spool);
    worker.job = offer.job;
    worker.attempt = offer.attempt;
    worker.kind = offer.kind;
    // After the look at the offer: what it had begun and is no longer at has left its record by now.
    (void)deliver_records(worker, offer);
    watch_death(worker);
    return;
  }
  std::optional<Spool::Offer> unwitnessed, returned;
  if (worker.spool && worker.is_coroutine()) {
    settle_dead_tasks(worker);
  } else if (worker.spool) {
    take_line_back(worker);
    worker.spool->recall_all();
    const auto offer = begun_offer(*worker.spool);
    const bool witnessed = deliver_records(worker, offer);
    if (offer.state == Spool::OfferState::begun && !witnessed) {
      unwitnessed = offer;
      ++worker.seq_seen;  // stands for the end that has no record
      // With worker and zygote both gone nobody has seen the orphans; where the zygote reported, none is
      // left.
      if (!worker.is_ours) kill_what_is_left(worker, offer.job);
    }
    if (!unwitnessed) returned = recalled_offer(*worker.spool, worker.job);
  }
  worker.link.reset();
  died_ += !worker.is_leaving;
  listener_.worker_died(worker, unwitnessed, returned);
  const std::string key = worker.seat.key;
  if (worker.seq_stored >= worker.seq_seen) forget_files(key);
  // Otherwise stored() removes it, when the store has the last record.
  auto node = workers_.extract(key);
  if (node && node.mapped()->seq_stored < node.mapped()->seq_seen) {
    node.mapped()->death.reset();
    node.mapped()->pid = 0;
    departed_[key] = std::move(node.mapped());
  }
}

void Workforce::worker_said_hello(const std::shared_ptr<FrameLink>& link, std::string_view payload) {
  WorkerHello hello;
  if (!decode(payload, hello)) return link->close();
  const auto found = workers_.find(hello.key);
  if (found == workers_.end()) return link->send(FrameType::leave, "");
  Worker& worker = *found->second;
  worker.link = link;
  worker.environment = nullptr;
  worker.pid = hello.pid;
  if (!worker.spool) {
    auto spool = Spool::attach(setup_.state_dir, hello.key);
    if (!spool) {
      spdlog::error("{}", spool.error().message());
      worker.link.reset();
      return link->close();
    }
    worker.spool = std::move(*spool);
  }
  if (worker.is_leaving) link->send(FrameType::leave, "");
  take_line_back(worker);  // it has forgotten it with the link before this one
  if (worker.seq_stored > 0) tell_stored(worker);
  if (worker.is_free()) listener_.worker_is_free(worker);
}

void Workforce::worker_frame(const std::string& key, FrameType type, std::string_view payload) {
  const auto found = workers_.find(key);
  if (found == workers_.end()) return;
  Worker& worker = *found->second;
  if (type == FrameType::duty_done) {
    listener_.worker_left_duty(worker);
    if (worker.is_free()) listener_.worker_is_free(worker);
  }
  if (type == FrameType::answered && worker.is_coroutine()) return task_answered(worker, payload);
  if (type != FrameType::ended) return;
  ByteReader in(payload);
  const auto seq = in.number<std::uint64_t>();
  const std::string outcome = in.string();
  if (!in.ok()) return;
  take_record(worker, worker.kind, seq, outcome);
  if (worker.is_free()) listener_.worker_is_free(worker);
}

void Workforce::take_record(Worker& worker, OrderKind kind, std::uint64_t seq, const std::string& outcome) {
  if (seq <= worker.seq_seen) return;
  worker.seq_seen = seq;
  worker.is_slow = false;
  ByteReader head(outcome);
  head.number<std::uint8_t>();
  const auto job = head.number<JobId>();
  look_at_line(worker);
  // A record that a re-dialled worker sends again may be older than what it runs now.
  if (job == worker.job) worker.job = 0;
  if (worker.is_coroutine()) free_place_of(worker, job);
  ++worker.jobs_done;
  listener_.worker_ended(worker, kind, seq, outcome);
  look_at_line(worker);
}

void Workforce::order(Worker& worker, StartOrder order, std::vector<UniqueFd> descriptors) {
  if (worker.is_coroutine()) {
    const auto spec = decode_spec(order.spec);
    order.place = take_place(worker, {order.job, order.attempt, 0, 0, spec ? spec->function : ""});
  } else {
    set_held(worker, order);
  }
  std::string frame = offer(worker, order);
  if (!worker.link) return;
  worker.link->send_frames(std::move(frame), std::move(descriptors));
  failpoint(order.kind == OrderKind::job ? "job.sent" : "callback.sent");
}

std::string Workforce::offer(Worker& worker, StartOrder& order) {
  Spool& spool = *worker.spool;
  if (!worker.is_coroutine()) {
    // One is free: what runs and the line take fewer. A begun one is left alone until its worker clears it.
    do order.place = worker.next_place++ % spool.offers();
    while (spool.offer(order.place).state == Spool::OfferState::begun ||
           spool.offer(order.place).state == Spool::OfferState::offered);
  }
  // Before the order is sent: after a kill -9 of this daemon the word says who has the job.
  spool.make_offer(order.kind, order.job, order.attempt, order.place);
  failpoint(order.kind == OrderKind::job ? "job.offered" : "callback.offered");
  const auto before = std::exchange(worker.environment, order.environment);
  const bool is_same = before == order.environment || (before && *before == *order.environment);
  if (is_same) order.environment = nullptr;
  std::string bytes = frame(FrameType::start, encode(order));
  order.environment = worker.environment;
  return bytes;
}

void Workforce::order_ahead(Worker& worker, std::vector<StartOrder> orders) {
  std::string frames;
  for (StartOrder& order : orders) {
    frames += offer(worker, order);
    worker.line.push_back(std::move(order));
  }
  worker.link->send_frames(std::move(frames));
  failpoint("job.sent");
  if (!std::exchange(lines_are_watched_, true)) watch_lines();
}

/// It goes on by itself from one to the next.
void Workforce::look_at_line(Worker& worker) {
  if (worker.job != 0 || worker.line.empty() || !was_begun(*worker.spool, worker.line.front())) return;
  set_held(worker, worker.line.front());
  worker.line.pop_front();
  listener_.worker_began(worker);
}

void Workforce::take_line_back(Worker& worker) {
  if (worker.line.empty()) return;
  // From its end, as it begins them from the front: what is before one that it has begun, it has begun as
  // well. The swap alone tells: a word that was recalled is soon idle, as one that was begun.
  std::vector<StartOrder> orders;
  for (; !worker.line.empty(); worker.line.pop_back()) {
    StartOrder& last = worker.line.back();
    if (!worker.spool->recall(last.job, last.place)) break;
    orders.insert(orders.begin(), std::move(last));
  }
  // It has begun the rest, and ended all but the last: the records lie in its spool, told or not.
  (void)deliver_records(worker, {});
  look_at_line(worker);
  if (!orders.empty()) listener_.line_returned(std::move(orders));
}

void Workforce::watch_lines() {
  line_check_.expires_after(line_check_interval);
  line_check_.async_wait([this](const std::error_code& error) {
    if (error || stopping_) return;
    lines_are_watched_ = false;
    for (auto& [key, worker] : workers_) {
      if (worker->line.empty()) continue;
      lines_are_watched_ = true;
      worker->is_slow = std::exchange(worker->done_at_look, worker->jobs_done) == worker->jobs_done;
      if (worker->is_slow) take_line_back(*worker);
    }
    if (lines_are_watched_) watch_lines();
  });
}

void Workforce::serve_calls(Worker& worker, const CallDuty& duty, const std::vector<int>& ring, int errors) {
  std::vector<UniqueFd> descriptors;
  for (const int fd : ring) descriptors.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (errors >= 0) descriptors.emplace_back(::fcntl(errors, F_DUPFD_CLOEXEC, 3));
  worker.link->send(FrameType::serve_calls, encode(duty), std::move(descriptors));
}

void Workforce::tell(Worker& worker, FrameType type, JobId job, std::string payload) {
  if (worker.link) return worker.link->send(type, payload);
  // It re-dials within a tenth of a second, as long as it runs something.
  auto again = std::make_shared<asio::steady_timer>(loop_, 100ms);
  again->async_wait([this, again, key = worker.seat.key, type, job,
                     payload = std::move(payload)](const std::error_code& error) {
    const auto found = error || stopping_ ? workers_.end() : workers_.find(key);
    if (found != workers_.end() && found->second->runs(job)) tell(*found->second, type, job, payload);
  });
}

void Workforce::cancel(Worker& worker, double kill_after_s) {
  ByteWriter out;
  out.number<JobId>(worker.job);
  out.number<double>(kill_after_s);
  tell(worker, FrameType::cancel, worker.job, out.take());
}

void Workforce::signal(Worker& worker, int signal) {
  ByteWriter out;
  out.number<JobId>(worker.job);
  out.number<std::int32_t>(signal);
  tell(worker, FrameType::signal, worker.job, out.take());
}

void Workforce::pause(Worker& worker, bool paused, bool is_function) {
  if (is_function) {
    if (worker.spool) worker.spool->pause_clock(paused);
    signal_worker(worker, paused ? SIGSTOP : SIGCONT);
    return signal_descendants(worker.pid, paused ? SIGSTOP : SIGCONT);
  }
  ByteWriter out;
  out.number<JobId>(worker.job);
  out.number<std::uint8_t>(paused);
  tell(worker, FrameType::pause, worker.job, out.take());
}

void Workforce::kill(Worker& worker) { signal_worker(worker, SIGKILL); }

void Workforce::signal_worker(const Worker& worker, int signal) {
  const UniqueFd fd(static_cast<int>(::pidfd_open(worker.pid, 0)));
  if (fd && worker.spool && worker.spool->worker_lives()) ::pidfd_send_signal(fd.get(), signal, nullptr, 0);
}

void Workforce::dismiss(Worker& worker) {
  take_line_back(worker);
  worker.is_leaving = true;
  if (worker.link) worker.link->send(FrameType::leave, "");
  if (worker.duty != 0) listener_.worker_is_wanted_back(worker);
}

void Workforce::stored(const std::string& key, std::uint64_t seq) {
  if (const auto found = workers_.find(key); found != workers_.end()) {
    Worker& worker = *found->second;
    note_stored(worker, seq);
    if (!worker.is_coroutine()) worker.spool->mark_stored(worker.seq_stored);
    // Others see it when they look: one wake less for each job.
    if (worker.is_coroutine() || worker.is_leaving || worker.spool->awaits_store()) tell_stored(worker);
    return;
  }
  const auto found = departed_.find(key);
  if (found == departed_.end()) return;
  note_stored(*found->second, seq);
  found->second->spool->mark_stored(found->second->seq_stored);
  if (found->second->seq_stored < found->second->seq_seen) return;
  forget_files(key);
  departed_.erase(found);
}

void Workforce::forget_files(const std::string& key) {
  if (!setup_.memory_groups.empty()) remove_memory_group(setup_.memory_groups, key);
  for (const char* suffix : {".out", ".err"})
    ::unlink((setup_.state_dir + "/output/" + key + suffix).c_str());
  Spool::remove(setup_.state_dir, key);  // last: who finds it looks for the others
}

void Workforce::kill_what_is_left(Worker& worker, JobId job) {
  kill_by_token(setup_.socket_path, job, worker.spool->session());
  // What had cleared its environment and left the session is ours by now, if its zygote died in our time.
  std::vector<pid_t> spared = {zygote_pid_};
  for (const auto& [key, other] : workers_)
    if (other.get() != &worker) spared.push_back(other->pid);
  kill_orphans(spared);
}

void Workforce::tell_stored(Worker& worker) {
  if (!worker.link) return;
  ByteWriter out;
  out.number<std::uint64_t>(worker.seq_stored);
  worker.link->send(FrameType::stored, out.bytes());
}

void Workforce::stop(bool wait) {
  stopping_ = true;
  std::error_code ignored;
  acceptor_.close(ignored);
  socket_check_.cancel();
  pulse_check_.cancel();
  line_check_.cancel();
  respawn_.cancel();
  for (auto& [key, worker] : workers_)
    if (worker->link) worker->link->close();
  if (zygote_) zygote_->close();
  if (!wait || zygote_pid_ <= 0) return;
  for (int i = 0; i < 200; ++i) {
    if (::waitpid(zygote_pid_, nullptr, WNOHANG) != 0) return;
    ::usleep(10'000);
  }
}

}  // namespace tine
