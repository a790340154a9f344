#include "core/shared/queue.hpp"

#include "cmd/print_json.hpp"
#include "cmd/print_table.hpp"
#include "cmd/shared_state.hpp"
#include "cmd/verbs/verbs.hpp"
#include "core/base/quantity.hpp"

namespace tine::cmd {
namespace {

using shared::Queue;

constexpr Subcommand subcommands[] = {
    {"put", 2, any_number, "put NAME V…"},   {"get", 1, 1, "get NAME"},   {"take", 1, 1, "take NAME"},
    {"ack", 2, 2, "ack NAME RECEIPT"},       {"size", 1, 1, "size NAME"}, {"clear", 1, 1, "clear NAME"},
    {"create", 1, 1, "create NAME --max N"}, {"list", 0, 0, "list"},      {"rm", 1, 1, "rm NAME"},
};

struct Wishes {
  std::optional<std::string_view> timeout, max;
  bool no_wait = false, string = false;
};

/// As `error`, but "not now" where the caller did not want to wait.
Error refusal(const Wishes& wishes, const Error& error, const char* now) {
  if (wishes.no_wait && error.code == Errc::timed_out) return make_error(Errc::try_later, now);
  return error;
}

int put(const Invocation& invocation, Queue& queue, const Words& words, const Wishes& wishes,
        shared::Deadline deadline) {
  std::vector<std::string> values;
  for (std::size_t i = 1; i < words.size(); ++i) {
    const auto value = parse_value(words[i], wishes.string ? ValueWish::string : ValueWish::json_or_string);
    if (!value) return fail(invocation, value.error());
    try {
      values.push_back(value->dump());
    } catch (const shared::Json::exception&) {
      return fail_usage(invocation, "a value is not UTF-8; allowed: JSON");
    }
  }
  const auto done = queue.put(values, deadline);
  return done ? 0 : fail(invocation, refusal(wishes, done.error(), "the queue is full"));
}

int print_item(const Invocation& invocation, const std::string& text) {
  if (invocation.json) return print_text(text + "\n");
  const auto value = shared::Json::parse(text, nullptr, /*allow_exceptions=*/false);
  return print_text((value.is_discarded() ? text : value_text(value, false)) + "\n");
}

int get(const Invocation& invocation, Queue& queue, const Wishes& wishes, shared::Deadline deadline) {
  const auto text = queue.get(deadline);
  if (!text) return fail(invocation, refusal(wishes, text.error(), "the queue is empty"));
  return print_item(invocation, *text);
}

int take(const Invocation& invocation, const shared::Folder& folder, Queue& queue, const Wishes& wishes,
         shared::Deadline deadline) {
  const auto job = job_that_takes(folder, "what is taken");
  if (!job) return fail(invocation, job.error());
  const auto lease = queue.take({*job, *job, shared::witness_of_this_job()}, deadline);
  if (!lease) return fail(invocation, refusal(wishes, lease.error(), "the queue is empty"));
  shared::Json value = shared::Json::parse(lease->value, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) value = lease->value;
  return print_json({{"receipt", lease->receipt}, {"value", value}, {"deliveries", lease->deliveries}});
}

int create(const Invocation& invocation, const shared::Folder& folder, const Words& words,
           const Wishes& wishes) {
  if (!wishes.max) return fail_usage(invocation, "--max is missing; allowed: create NAME --max N");
  const auto max = parse_integer(*wishes.max, 1, INT64_MAX);
  if (!max) return fail_usage(invocation, "--max: " + max.error().message());
  const auto queue = Queue::create(folder, std::string(words[0]), static_cast<std::uint64_t>(*max));
  return queue ? 0 : fail(invocation, queue.error());
}

int list(const Invocation& invocation, const shared::Folder& folder) {
  std::vector<Row> rows{{"NAME", "SIZE", "MAX"}};
  for (const auto& name : folder.names(shared::Kind::queue)) {
    auto queue = Queue::open(folder, name);
    const auto size = queue ? queue->size() : Result<std::uint64_t>(queue.error());
    if (!size && size.error().code == Errc::absent) continue;
    const auto max = queue && queue->items_max() ? shared::Json(queue->items_max()) : shared::Json();
    if (invocation.json) {
      const shared::Json line = size ? shared::Json{{"name", name}, {"size", *size}, {"max", max}}
                                     : shared::Json{{"name", name}, {"error", size.error().message()}};
      if (const int unwritten = print_json(line)) return unwritten;
    } else {
      rows.push_back(
          {name, size ? std::to_string(*size) : size.error().message(), max.is_null() ? "-" : max.dump()});
    }
  }
  return invocation.json ? 0 : print_text(table(rows));
}

int count(const Invocation& invocation, const Result<std::uint64_t>& number) {
  if (!number) return fail(invocation, number.error());
  return print_text(std::to_string(*number) + "\n");
}

}  // namespace

int queue(Invocation& invocation) {
  Wishes wishes;
  Options options(
      invocation,
      "queue put NAME V… | get|take NAME [--timeout D] | ack NAME RECEIPT | size|clear|rm NAME | "
      "create NAME --max N | list",
      "Values in order, in memory that all jobs share. get and take wait for one; put waits while the queue "
      "is "
      "full, and puts all or none.\nWhat a job takes comes back at the head if the job ends without ack.");
  options.value("--timeout", "D", wishes.timeout, "wait no longer (exit 124)");
  options.flag("--no-wait", wishes.no_wait, "do not wait at all (exit 75)");
  options.value("--max", "N", wishes.max, "create: hold so many values");
  options.flag("--string", wishes.string, "put: take values as strings, whatever they look like");
  options.numbers_are_words();
  if (const auto over = options.parse()) return *over;
  Words words;
  int exit_code = 0;
  const auto* what = find_subcommand(invocation, options.free_words(), std::begin(subcommands),
                                     std::end(subcommands), words, exit_code);
  if (!what) return exit_code;
  auto deadline = parse_deadline(wishes.timeout);
  if (!deadline) return fail(invocation, deadline.error());
  if (wishes.no_wait) deadline = shared::Deadline(shared::Clock::now());
  // Before the queue is made by it.
  if (what->name == "take" && shared::this_job() == 0)
    return fail_usage(invocation,
                      "what is taken belongs to a job; allowed: inside of one (TINE_JOB_ID is not set)");
  const auto folder = shared_folder(invocation);
  if (!folder) return fail(invocation, folder.error());
  if (what->name == "list") return list(invocation, *folder);
  const std::string name(words[0]);
  if (what->name == "create") return create(invocation, *folder, words, wishes);
  if (what->name == "rm") {
    const auto removed = folder->remove(shared::Kind::queue, name);
    return removed ? 0 : fail(invocation, removed.error());
  }
  // Who waits for the first item may be there before it.
  const bool makes = what->name == "put" || what->name == "get" || what->name == "take";
  auto queue = makes ? Queue::open_or_create(*folder, name) : Queue::open(*folder, name);
  if (!queue) return fail(invocation, queue.error());
  if (what->name == "put") return put(invocation, *queue, words, wishes, *deadline);
  if (what->name == "get") return get(invocation, *queue, wishes, *deadline);
  if (what->name == "take") return take(invocation, *folder, *queue, wishes, *deadline);
  if (what->name == "size") return count(invocation, queue->size());
  const auto done = what->name == "ack" ? queue->ack(std::string(words[1])) : [&]() -> Status {
    const auto cleared = queue->clear();
    return cleared ? ok() : Status(cleared.error());
  }();
  return done ? 0 : fail(invocation, done.error());
}

}  // namespace tine::cmd
