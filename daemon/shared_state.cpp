#include "daemon/shared_state.hpp"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <chrono>
#include <mutex>

#include "core/base/file.hpp"
#include "core/base/state_folder.hpp"
#include "core/shared/catalogue.hpp"

namespace tine {
namespace {

constexpr auto end_patience = std::chrono::seconds(2);

/// "": the socket is where every client looks anyway, or the link cannot be made.
std::string leave_link(const std::string& state_dir, const std::string& socket_path) {
  if (parent_folder(socket_path) == state_dir) return "";
  auto link = state_link_of_socket(socket_path);
  const auto beside = link + ".new";
  ::unlink(beside.c_str());
  if (::symlink(state_dir.c_str(), beside.c_str()) == 0 && ::rename(beside.c_str(), link.c_str()) == 0)
    return link;
  spdlog::warn("{}: {}; jobs find the shared memory by TINE_STATE_DIR alone", link,
               errno_error("symlink").message());
  return "";
}

}  // namespace

struct SharedState::Work {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::function<void()>> tasks;
  bool is_ending = false, has_ended = false;
};

SharedState::SharedState(std::string state_dir, std::string socket_path, std::uint64_t budget_bytes,
                         std::set<Attempt> running)
    : state_dir_(std::move(state_dir)),
      link_(leave_link(state_dir_, socket_path)),
      marked_(state_dir_ + "/shared"),
      work_(std::make_shared<Work>()) {
  // Here, not on the thread: a client may ask before that has begun.
  if (const auto folder = shared::Folder::open(state_dir_))
    folder->set_budget(budget_bytes);
  else
    spdlog::error("shared memory: {}", folder.error().message());
  post([state_dir = state_dir_, running = std::move(running)] {
    const auto lines = shared::recover(state_dir, [&](shared::Owner job) {
      return running.contains({shared::job_of(job), shared::attempt_of(job)});
    });
    for (const auto& line : lines) spdlog::warn("{}", line);
  });
  thread_ = std::thread(serve, work_);
}

SharedState::~SharedState() {
  {
    std::unique_lock guard(work_->mutex);
    work_->is_ending = true;
    work_->changed.notify_all();
    if (!work_->changed.wait_for(guard, end_patience, [&] { return work_->has_ended; })) thread_.detach();
  }
  if (thread_.joinable()) thread_.join();
  if (!link_.empty()) ::unlink(link_.c_str());
}

void SharedState::serve(const std::shared_ptr<Work>& work) {
  std::unique_lock guard(work->mutex);
  for (;;) {
    work->changed.wait(guard, [&] { return work->is_ending || !work->tasks.empty(); });
    // What ended jobs hold is freed even at the end: the next start is perhaps far away.
    if (work->tasks.empty()) break;
    auto task = std::move(work->tasks.front());
    work->tasks.pop_front();
    guard.unlock();
    task();
    guard.lock();
  }
  work->has_ended = true;
  work->changed.notify_all();
}

void SharedState::post(std::function<void()> task) {
  const std::lock_guard guard(work_->mutex);
  work_->tasks.push_back(std::move(task));
  work_->changed.notify_all();
}

void SharedState::attempt_ended(JobId id, std::uint32_t attempt) {
  const auto job = shared::owner_of_job(id, attempt);
  if (!marked_.contains(job)) return;
  post([state_dir = state_dir_, job] { shared::end_job(state_dir, job); });
}

}  // namespace tine
