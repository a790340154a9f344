#include <fcntl.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "cmd/job_record.hpp"
#include "cmd/job_spec.hpp"
#include "cmd/outliving.hpp"
#include "cmd/print_json.hpp"
#include "cmd/verbs/verbs.hpp"
#include "core/base/file.hpp"
#include "core/base/limits.hpp"

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
  auto params = with_surroundings(Json::object(), /*clean_env=*/false);
  params.insert(1, R"("jobs":)" + jobs + ",");
  return client.call_text("batch", params);
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

/// Prints each record as its job ends, each once, however often tined goes away in between.
int wait_and_print(Reached& daemon, const std::vector<JobId>& ids, const Invocation& invocation) {
  std::unordered_set<JobId> printed;
  const Json* only = nullptr;
  Json last;
  bool all_succeeded = true;
  int unwritten = 0;
  const auto take = [&](Json& record) -> Status {
    if (!printed.insert(id_of(record)).second) return ok();
    all_succeeded = all_succeeded && succeeded(record);
    if ((unwritten = print_json(record))) return make_error(Errc::io, "");
    if (ids.size() == 1) last = record, only = &last;
    return ok();
  };
  const auto params = [&] {
    return Json{{"ids", ranges_of(ids, printed)}, {"records", true}, {"stream", true}};
  };
  const auto reply = ask_outliving(daemon, "wait", params, [&](Json& message) -> Status {
    if (message.at("method") != "job.finished" || !message.contains("params")) return ok();
    return take(message["params"]);
  });
  if (unwritten) return unwritten;
  // All were printed and only the closing reply is missing: an empty question is refused, and needs no
  // answer.
  if (!reply && printed.size() < ids.size()) return fail(invocation, reply.error());
  return all_succeeded ? 0 : 1;
}

}  // namespace

int batch(Invocation& invocation) {
  bool waits = false;
  Options options(invocation, "batch FILE|-", "Queues the jobs of a file of JSON lines: all or none.");
  options.flag("--wait", waits, "wait, and print each job record as it ends");
  if (const auto over = options.parse()) return *over;
  if (options.free_words().size() != 1) return fail_usage(invocation, "allowed: one FILE, or - for stdin");

  const auto text = read_jobs(options.free_words()[0]);
  if (!text) return fail(invocation, text.error());
  const auto jobs = array_of_lines(*text);
  if (!jobs) return fail(invocation, jobs.error());
  auto daemon = reach_daemon(invocation, Autostart::allowed);
  if (daemon.exit_code) return daemon.exit_code;
  const auto reply = store(daemon.client, *jobs);
  if (!reply) return fail(invocation, reply.error());
  if (!waits) return print_ids(*reply, invocation.json);
  return wait_and_print(daemon, reply->at("ids").get<std::vector<JobId>>(), invocation);
}

}  // namespace tine::cmd
