#include <algorithm>

#include "core/base/limits.hpp"
#include "daemon/dispatch.hpp"
#include "daemon/map_run.hpp"

namespace tine::verbs {
namespace {

Result<std::vector<std::string>> words_of(const ipc::Json& params) {
  std::vector<std::string> words;
  const auto command = params.find("command");
  if (command == params.end() || command->is_null()) return words;
  if (!command->is_array() || command->empty())
    return make_error(Errc::usage, "command: must be a non-empty array of strings");
  for (const auto& item : *command) {
    auto word = ipc::bytes_from_json(item, "command");
    if (!word) return word.error();
    words.push_back(std::move(*word));
  }
  return words;
}

Status read_duty(Call& call, CallDuty& duty) {
  auto context = ipc::submit_context_from(call.params);
  if (!context) return context.error();
  duty.environment = std::move(context->environment);
  duty.cwd = std::move(context->cwd);
  duty.umask = context->umask;
  auto words = words_of(call.params);
  if (!words) return words.error();
  duty.command = std::move(*words);
  auto function = ipc::string_field(call.params, "function", "");
  if (!function) return function.error();
  duty.function = std::move(*function);
  if (duty.command.empty() == duty.function.empty())
    return make_error(Errc::usage, "map: takes one of command (array) and function");
  auto pool = ipc::string_field(call.params, "pool", "default");
  if (!pool) return pool.error();
  duty.pool = std::move(*pool);
  for (const auto& [key, into] : {std::pair{"text", &duty.is_text}, std::pair{"star", &duty.is_star}}) {
    auto value = ipc::bool_field(call.params, key, false);
    if (!value) return value.error();
    *into = *value;
  }
  return ok();
}

constexpr std::uint64_t most_at_once = std::uint64_t{limits::pool_size_max} * limits::concurrency_max;

Result<std::shared_ptr<HeldCalls>> open_session(Jobs& jobs, const Pool& pool, CallSession::Plan plan) {
  if (pool.concurrency == 0) {
    auto session = jobs.calls().open(std::move(plan));
    if (!session) return session.error();
    return std::shared_ptr<HeldCalls>(std::move(*session));
  }
  if (!plan.duty.command.empty())
    return make_error(Errc::usage, "pool: \"" + pool.name +
                                       "\" is of kind coroutine: it runs functions (--fn NAME), no commands");
  return std::shared_ptr<HeldCalls>(jobs.task_calls().open(
      {pool.name, plan.duty.function, plan.duty.is_text, plan.duty.is_star, plan.parallel}));
}

}  // namespace

Answer map(Call& call) {
  if (call.map_run) return make_error(Errc::usage, "map: one at a time on a connection");
  CallSession::Plan plan;
  if (auto read = read_duty(call, plan.duty); !read) return read.error();
  Jobs& jobs = call.services.jobs;
  auto pool = jobs.open_pool(plan.duty.pool);
  if (!pool) return pool.error();
  if (!plan.duty.function.empty())
    if (auto known = jobs.check_function(plan.duty.function, **pool); !known) return known.error();
  const std::uint64_t at_once = (*pool)->capacity();
  auto parallel = ipc::unsigned_field(call.params, "parallel", at_once, most_at_once);
  if (!parallel) return parallel.error();
  plan.parallel = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(*parallel, 1, at_once));
  auto records = ipc::bool_field(call.params, "records", false);
  if (!records) return records.error();
  auto ends = ipc::bool_field(call.params, "ends", false);
  if (!ends) return ends.error();
  const bool is_command = !plan.duty.command.empty();
  if (*ends && !is_command) return make_error(Errc::usage, "ends: goes with command");
  plan.duty.keeps_errors = *records;
  if (!call.descriptors.empty()) plan.errors = std::move(call.descriptors.front());
  // What the client keeps busy whatever the answers weigh: not thousands of them, of megabytes each.
  const auto workers = (*pool)->concurrency > 0 ? std::min(plan.parallel, 64u) : plan.parallel;
  auto session = open_session(jobs, **pool, std::move(plan));
  if (!session) return session.error();
  auto run = std::make_shared<MapRun>(call.services, call.channel.shared_from_this(), *session, is_command,
                                      *records, *ends);
  call.map_run = run;
  (*session)->start([weak = std::weak_ptr(run)](std::vector<HeldCalls::Answer> answers) {
    if (const auto alive = weak.lock()) alive->take(answers);
  });
  (*session)->on_end([weak = std::weak_ptr(run)] {
    if (const auto alive = weak.lock()) alive->close();
  });
  call.channel.on_close([weak = std::weak_ptr(run)] {
    if (const auto alive = weak.lock()) alive->close();
  });
  return ipc::OrderedJson{{"parallel", workers}};
}

Answer map_items(Call& call) {
  const auto run = call.map_run;
  if (!run) return make_error(Errc::usage, "map.items: comes after map");
  const auto items = call.params.find("items");
  if (items == call.params.end() || !items->is_array())
    return make_error(Errc::usage, "items: must be an array of strings");
  for (const auto& item : *items) {
    auto text = ipc::bytes_from_json(item, "items");
    if (!text) return text.error();
    run->session->add(std::move(*text), 0);
  }
  if (!run->closed) run->session->go_on();
  return ipc::OrderedJson::object();
}

Answer map_end(Call& call) {
  const auto run = call.map_run;
  if (!run) return make_error(Errc::usage, "map.end: comes after map");
  run->ended = true;
  while (!run->closed && run->session->unanswered() > 0) run->bell.wait();
  const bool cut = run->session->unanswered() > 0;
  run->end_calls();  // the outputs stay until the client has gone: it may be reading them
  if (cut) return make_error(Errc::try_later, "the daemon is shutting down");
  return ipc::OrderedJson::object();
}

}  // namespace tine::verbs
