#include <fcntl.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <unordered_set>

#include "cmd/halt.hpp"
#include "cmd/job_record.hpp"
#include "cmd/job_spec.hpp"
#include "cmd/joblog.hpp"
#include "cmd/outliving.hpp"
#include "cmd/print_json.hpp"
#include "cmd/progress.hpp"
#include "cmd/verbs/verbs.hpp"
#include "core/base/file.hpp"
#include "core/base/limits.hpp"
#include "ipc/protocol.hpp"

namespace tine::cmd {
namespace {

using ipc::Json;

Result<std::string> read_jobs(std::string_view from) {
  UniqueFd file;
  if (from != "-") {
    file.reset(::open(std::string(from).c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return make_error(Errc::io, errno_error(std::string(from)).message());
  }
  auto text = read_all(file ? file.get() : 0);
  if (!text) return make_error(Errc::io, std::string(from) + ": " + text.error().message());
  return text;
}

Error bad_line(std::size_t number, const char* what) {
  return make_error(Errc::usage,
                    "line " + std::to_string(number) + " " + what + "; allowed: one JSON object a line");
}

/// A line whose "at" is a person's time: in the zone of who wrote it.
Result<std::string> in_our_zone(std::string_view line) {
  auto job = Json::parse(line.begin(), line.end());
  const auto at = job.find("at");
  if (at == job.end() || !at->is_string()) return std::string(line);
  auto time = start_time(at->get_ref<const std::string&>());
  if (!time) return time.error();
  *at = std::move(*time);
  return job.dump();
}

/// The file's lines as one JSON array, as they stand: checked to be JSON, so that none can reach out of its
/// place.
Result<std::string> array_of_lines(std::string_view text) {
  std::string jobs = "[";
  for (std::size_t number = 1; !text.empty(); ++number) {
    auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const auto first = line.find_first_not_of(" \t\r");
    if (first == std::string_view::npos) continue;
    line = line.substr(first, line.find_last_not_of(" \t\r") + 1 - first);
    if (line.front() != '{') return bad_line(number, "is no JSON object");
    if (!Json::accept(line.begin(), line.end())) return bad_line(number, "is not JSON");
    if (jobs.size() > 1) jobs += ',';
    if (line.find("\"at\"") == std::string_view::npos) {
      jobs += line;
      continue;
    }
    auto with_time = in_our_zone(line);
    if (!with_time)
      return make_error(Errc::usage,
                        "line " + std::to_string(number) + ": at: " + with_time.error().message());
    jobs += *with_time;
  }
  if (jobs.size() == 1)
    return make_error(Errc::usage, "there is no job in it; allowed: one JSON object a line");
  return jobs + "]";
}

Result<Json> store(ipc::Client& client, const std::string& jobs) {
  std::string request;
  ipc::ObjectText params(request);
  params.member("jobs") += jobs;
  put_surroundings(params, /*clean_env=*/false);
  params.end();
  return client.call_text("batch", request);
}

int print_ids(const Json& reply, bool json) {
  if (json) return print_json(reply);
  std::string text;
  for (const auto& id : reply.at("ids")) text += std::to_string(id.get<JobId>()) + "\n";
  return print_text(text);
}

/// Ids in runs, as a request names them.
Json ranges_of(const std::vector<JobId>& ids, const std::unordered_set<JobId>& without) {
  Json ranges = Json::array();
  JobId from = 0, to = 0;
  for (const auto id : ids) {
    if (without.contains(id)) continue;
    if (from != 0 && id == to + 1) {
      to = id;
      continue;
    }
    if (from != 0) ranges.push_back(Json::array({from, to}));
    from = to = id;
  }
  if (from != 0) ranges.push_back(Json::array({from, to}));
  return ranges;
}

/// What is done as jobs end, beside printing.
struct BatchExtras {
  Progress progress;
  Halt halt;
  Joblog joblog;
};

/// Prints each record as its job ends, each once, however often tined goes away in between; and what else is
/// wished for while they end.
class BatchWait {
 public:
  BatchWait(Reached& daemon, std::vector<JobId> ids, BatchExtras& extras, const Invocation& invocation)
      : daemon_(daemon), ids_(std::move(ids)), extras_(extras), invocation_(invocation) {
    for (std::size_t i = 0; extras_.joblog.is_wanted() && i < ids_.size(); ++i) seq_.emplace(ids_[i], i + 1);
    extras_.progress.count(ids_.size());
    extras_.progress.expect(ids_.size());
  }

  /// tine's exit code.
  int run() {
    const auto params = [this] {
      return Json{{"ids", ranges_of(ids_, printed_)}, {"records", true}, {"stream", true}};
    };
    const auto reply = ask_outliving(
        daemon_, "wait", params,
        [this](const ipc::Client::Notification& told) {
          return told.method == ipc::job_finished ? take(told.params) : ok();
        },
        extras_.progress.is_shown() ? std::function<void()>([this] { extras_.progress.tell(); }) : nullptr);
    extras_.progress.clear();
    if (unwritten_) return unwritten_;
    if (failed_) return fail(invocation_, *failed_);
    // All were printed and only the closing reply is missing: an empty question is refused, and needs no
    // answer.
    if (!reply && printed_.size() < ids_.size()) return fail(invocation_, reply.error());
    return extras_.halt.is_reached_by_success() || all_succeeded_ ? 0 : 1;
  }

 private:
  Status take(std::string_view record) {
    const JobId id = id_of(record);
    const bool has_succeeded = succeeded(record);
    if (!printed_.insert(id).second) return ok();
    all_succeeded_ = all_succeeded_ && has_succeeded;
    extras_.progress.clear();
    extras_.progress.done(!has_succeeded);
    extras_.progress.step(1);
    if ((unwritten_ = print_line(record))) return make_error(Errc::io, "");
    if (extras_.joblog.is_wanted())
      if (auto added = log(Json::parse(record), seq_.at(id)); !added) return end(added);
    if (!extras_.halt.ended(has_succeeded)) return ok();
    (void)write_all(2, "tine batch: halted: no more is started\n");
    return cancel_the_rest();
  }

  Status log(const Json& record, std::uint64_t seq) {
    return has_started(record) ? extras_.joblog.add(joblog_row(record, seq)) : ok();
  }

  static bool has_started(const Json& record) {
    const auto at = record.find("started_at");
    return at != record.end() && !at->is_null();
  }

  /// On a connection of its own: this one is in the middle of its question.
  Status cancel_the_rest() {
    const auto ranges = ranges_of(ids_, printed_);
    if (ranges.empty()) return ok();
    auto client = redial(daemon_.socket);
    if (!client) return end(client.error());
    const auto cancelled =
        client->call("cancel", Json{{"ids", ranges}, {"spare_running", !extras_.halt.ends_the_running()}});
    return cancelled ? ok() : end(cancelled.error());
  }

  Status end(const Status& status) { return end(status.error()); }
  Status end(const Error& error) {
    failed_ = error;
    return error;
  }

  Reached& daemon_;
  std::vector<JobId> ids_;
  BatchExtras& extras_;
  const Invocation& invocation_;
  std::unordered_set<JobId> printed_;
  std::unordered_map<JobId, std::uint64_t> seq_;
  std::optional<Error> failed_;
  bool all_succeeded_ = true;
  int unwritten_ = 0;
};

struct BatchWords {
  bool waits = false, progress = false;
  std::optional<std::string_view> joblog, halt;
};

Result<BatchExtras> extras_of(const BatchWords& words) {
  if (!words.waits && (words.progress || words.joblog || words.halt))
    return make_error(Errc::usage, "--progress, --joblog and --halt go with --wait");
  auto halt = Halt::parse(words.halt);
  if (!halt) return halt.error();
  auto joblog = Joblog::create(words.joblog);
  if (!joblog) return joblog.error();
  return BatchExtras{Progress(words.progress), *halt, std::move(*joblog)};
}

}  // namespace

int batch(Invocation& invocation) {
  BatchWords words;
  Options options(invocation, "batch FILE|-", "Queues the jobs of a file of JSON lines: all or none.");
  options.flag("--wait", words.waits, "wait, and print each job record as it ends");
  options.flag("--progress", words.progress,
               "with --wait: tell on stderr, if that is a terminal, how far it is");
  options.value("--joblog", "FILE", words.joblog,
                "with --wait: a row for each job, in GNU parallel's columns");
  options.value("--halt", Halt::placeholder, words.halt,
                "with --wait: start no more when so many have ended so; now: and end those that run");
  if (const auto over = options.parse()) return *over;
  if (options.free_words().size() != 1) return fail_usage(invocation, "allowed: one FILE, or - for stdin");

  const auto text = read_jobs(options.free_words()[0]);
  if (!text) return fail(invocation, text.error());
  const auto jobs = array_of_lines(*text);
  if (!jobs) return fail(invocation, jobs.error());
  auto extras = extras_of(words);
  if (!extras) return fail(invocation, extras.error());
  auto daemon = reach_daemon(invocation, Autostart::allowed);
  if (daemon.exit_code) return daemon.exit_code;
  const auto reply = store(daemon.client, *jobs);
  if (!reply) return fail(invocation, reply.error());
  if (!words.waits) return print_ids(*reply, invocation.json);
  return BatchWait(daemon, reply->at("ids").get<std::vector<JobId>>(), *extras, invocation).run();
}

}  // namespace tine::cmd
