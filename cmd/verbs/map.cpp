#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "cmd/halt.hpp"
#include "cmd/job_spec.hpp"
#include "cmd/joblog.hpp"
#include "cmd/outliving.hpp"
#include "cmd/print_json.hpp"
#include "cmd/progress.hpp"
#include "cmd/verbs/verbs.hpp"
#include "core/base/file.hpp"
#include "core/base/limits.hpp"
#include "core/base/placeholders.hpp"
#include "core/base/quantity.hpp"
#include "core/base/text.hpp"
#include "ipc/wire_text.hpp"

namespace tine::cmd {
namespace {

using ipc::Json;

constexpr std::size_t read_bytes = 64u << 10;
constexpr std::size_t message_bytes = 64u << 10;  ///< of calls, before a message goes out
/// Calls that are out and not printed yet, at most: what one slow call can make the others wait for.
constexpr std::uint64_t out_max = 8192;
constexpr std::size_t held_bytes_max = 16u << 20;  ///< aimed at, of calls and answers that we and tined hold
constexpr std::size_t line_bytes_max =
    limits::line_bytes_max - 4096;  ///< with room for the rest of a message

/// What came back of one call.
struct Answer {
  Json printed;     ///< bytes for stdout, {"file": path}, or null
  std::string why;  ///< it failed
  bool failed = false;
  Json end;  ///< when it began and how it ended, where that was asked for
};

/// What is done as calls end, beside printing.
struct MapExtras {
  std::vector<std::string> command;  ///< empty: a function is called
  Halt halt;
  Joblog joblog;
};

/// Lines go out as calls, answers come back; neither runs ahead of the other, and stdout holds both up.
class Mapping {
 public:
  Mapping(ipc::Client& client, bool in_order, bool is_text, bool records, MapExtras& extras,
          Progress& progress)
      : client_(client),
        in_order_(in_order),
        is_text_(is_text),
        records_(records),
        is_numbered_(has_number_placeholder(extras.command)),
        extras_(extras),
        progress_(progress) {}

  /// Errors: Errc::io of stdin or stdout; what the daemon says; Errc::unavailable.
  Status run() {
    while (!over_) {
      if (auto moved = move(); !moved) return moved;
    }
    return print_what_is_held();
  }
  bool all_succeeded() const {
    return extras_.halt.is_reached_by_success() || (failed_ == 0 && !(is_cut_ && unanswered() > 0));
  }
  /// Calls that ran and were not heard of any more, after `--halt now`.
  std::uint64_t unanswered() const { return sent_ - answers_; }

 private:
  bool may_add() const {
    // With --halt no call is out that no worker takes at once: it could not be stopped from starting.
    if (extras_.halt.is_wanted()) return !extras_.halt.is_reached() && unanswered() < workers_;
    return true;
  }
  bool may_read() const {
    return !is_last_ && unread_.empty() && out_ < window_ && unsent_.size() < message_bytes && may_add();
  }

  Status move() {
    // An answer may have made room for what was read long ago, and nothing else might wake us.
    if (auto added = add_lines(); !added) return added;
    finish_message();
    pollfd watched[] = {
        {client_.descriptor(), static_cast<short>(POLLIN | (unsent_.empty() ? 0 : POLLOUT)), 0},
        {may_read() ? 0 : -1, POLLIN, 0}};
    // An input that is never empty must not keep the messages small.
    if (::poll(watched, 2, progress_.wait_ms()) < 0 && errno != EINTR) return errno_error("poll");
    progress_.tell();
    if (watched[1].revents) {
      if (auto read = read_lines(); !read) return read;
    }
    if (auto added = add_lines(); !added) return added;
    finish_message();
    if (auto sent = client_.send_some(unsent_); !sent) return sent;
    if (!watched[0].revents) return ok();
    if (watched[0].revents & ~POLLOUT)
      if (auto received = client_.receive(); !received) return received;
    while (client_.has_line())
      if (auto taken = take_message(); !taken) return taken;
    return ok();
  }

  // ---- out

  Status read_lines() {
    char chunk[read_bytes];
    const ssize_t got = ::read(0, chunk, sizeof chunk);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return ok();
    if (got < 0) return make_error(Errc::io, errno_error("read stdin").message());
    progress_.step(static_cast<std::uint64_t>(got));
    unread_.assign(chunk, static_cast<std::size_t>(got));
    is_last_ = got == 0;
    return ok();
  }

  /// What was read, as lines, as far as more may go out.
  Status add_lines() {
    std::string_view rest = unread_;
    for (auto end = rest.find('\n'); end != std::string_view::npos && may_add(); end = rest.find('\n')) {
      line_.append(rest.substr(0, end));
      rest.remove_prefix(end + 1);
      if (auto added = add_line(); !added) return added;
    }
    const bool has_line = rest.find('\n') != std::string_view::npos;
    if (!has_line) line_.append(std::exchange(rest, {}));
    unread_.erase(0, unread_.size() - rest.size());
    if (line_.size() > line_bytes_max) return too_long();
    if (extras_.halt.is_reached()) is_last_ = true, unread_.clear(), line_.clear();
    if (!is_last_ || at_end_ || !unread_.empty() || !may_end()) return ok();
    at_end_ = true;
    return line_.empty() ? ok() : add_line();  // a last line without its end
  }
  bool may_end() const { return line_.empty() || may_add(); }

  Error too_long() const {
    return make_error(Errc::usage, "line " + std::to_string(lines_ + 1) + " has over " +
                                       std::to_string(line_bytes_max) + " bytes; allowed: at most that");
  }

  Status add_line() {
    if (line_.size() > line_bytes_max) return too_long();
    const auto index = lines_++;
    ++out_;
    if (line_.find('\0') != std::string::npos) return refuse(index, "a NUL byte; allowed: text without NUL");
    if (is_text_ && !is_utf8(line_)) return refuse(index, "not UTF-8");
    if (!items_.empty()) items_ += ',';
    if (is_numbered_)
      ipc::append_wire(items_, std::to_string(index + 1) + " " + line_);
    else
      ipc::append_wire(items_, line_);
    index_of_sent_.push_back(index);
    ++sent_;
    if (extras_.joblog.is_wanted()) line_of_.emplace(index, line_);
    line_.clear();
    if (items_.size() >= message_bytes) finish_message();
    return ok();
  }

  /// A line that cannot be a call fails here, in its place among the others.
  Status refuse(std::uint64_t index, const char* why) {
    line_.clear();
    Answer answer{nullptr, std::string("ValueError: ") + why, true, Json()};
    if (records_)
      answer.printed = Json{{"schema", 1},
                            {"index", index},
                            {"state", "failed"},
                            {"reason", "exception"},
                            {"error", {{"type", "ValueError"}, {"message", why}}}}
                           .dump();
    return take(index, std::move(answer));
  }

  void finish_message() {
    if (!items_.empty()) {
      unsent_ += R"({"jsonrpc":"2.0","method":"map.items","params":{"items":[)" + items_ + "]}}\n";
      items_.clear();
    }
    if (!at_end_ || said_end_) return;
    said_end_ = true;
    unsent_ += R"({"jsonrpc":"2.0","id":"end","method":"map.end"})"
               "\n";
  }

  // ---- back

  Status take_message() {
    auto message = client_.take_line();
    if (!message) return message.error();
    if (message->is_null()) return ok();
    if (!ipc::Client::is_notification(*message)) {
      const auto end = ipc::Client::result_of(*message);
      over_ = true;
      return end ? ok() : Status(end.error());
    }
    if (message->at("method") != "map.results") return ok();
    for (auto& one : message->at("params").at("results")) {
      const auto sent = one.at(0).get<std::uint64_t>();
      ++answers_;
      Answer answer{std::move(one.at(1)), "", false, one.size() > 3 ? std::move(one.at(3)) : Json()};
      if (const auto why = one.at(2); !why.is_null()) {
        answer.failed = true;
        answer.why = ipc::from_wire(why) ? *ipc::from_wire(why) : "";
      }
      if (auto taken = take(index_of(sent), std::move(answer)); !taken) return taken;
    }
    return flush();
  }

  /// The line of the call that was sent as number `sent`; refused lines were not sent.
  std::uint64_t index_of(std::uint64_t sent) {
    const auto index = index_of_sent_.at(sent - sent_forgotten_);
    answered_.insert(sent);
    while (answered_.erase(sent_forgotten_) > 0) {
      index_of_sent_.pop_front();
      ++sent_forgotten_;
    }
    return index;
  }

  Status take(std::uint64_t index, Answer answer) {
    if (auto logged = log(index, answer); !logged) return logged;
    // What runs is killed with its worker when the connection ends.
    if (extras_.halt.ended(!answer.failed) && extras_.halt.ends_the_running()) over_ = is_cut_ = true;
    return take_turn(index, std::move(answer));
  }

  Status log(std::uint64_t index, const Answer& answer) {
    const auto line = line_of_.extract(index);
    if (line.empty() || !answer.end.is_object()) return ok();
    Joblog::Row row;
    row.seq = index + 1;
    row.started = answer.end.value("started_us", Micros{0});
    row.duration_s = answer.end.value("duration_s", 0.0);
    row.stdout_bytes = answer.end.value("stdout_bytes", std::uint64_t{0});
    row.signal = answer.end.value("signal", 0);
    row.exit_code = row.signal ? 0 : answer.end.value("exit_code", 0);
    row.command = shell_text(fill_placeholders(extras_.command, line.mapped(), row.seq));
    return extras_.joblog.add(row);
  }

  Status print_what_is_held() {
    for (const auto& [index, answer] : std::exchange(held_, {}))
      if (auto printed = print(index, answer); !printed) return printed;
    return flush();
  }

  Status take_turn(std::uint64_t index, Answer answer) {
    if (!in_order_) return print(index, answer);
    if (index != next_) return held_.emplace(index, std::move(answer)), ok();
    if (auto printed = print(index, answer); !printed) return printed;
    while (!held_.empty() && held_.begin()->first == next_) {
      auto first = held_.extract(held_.begin());
      if (auto printed = print(first.key(), first.mapped()); !printed) return printed;
    }
    return ok();
  }

  Status print(std::uint64_t index, const Answer& answer) {
    ++next_;
    --out_;
    progress_.done(answer.failed);
    if (answer.failed) {
      ++failed_;
      (void)flush();
      progress_.clear();
      (void)write_all(2, "tine map: line " + std::to_string(index + 1) + ": " + answer.why + "\n");
    }
    const auto before = output_.size();
    if (answer.printed.is_object() && answer.printed.contains("file")) {
      if (auto copied = copy(answer.printed["file"]); !copied) return copied;
    } else if (answer.printed.is_null()) {
      output_ += "null\n";
    } else {
      const auto bytes = ipc::from_wire(answer.printed);
      if (!bytes) return bytes.error();
      output_ += *bytes;
      if (prints_lines_) output_ += '\n';
    }
    adapt(output_.size() - before);
    return output_.size() >= read_bytes ? flush() : ok();
  }

  /// Large answers: fewer of them at once.
  void adapt(std::size_t bytes) {
    mean_bytes_ += (static_cast<double>(bytes) - mean_bytes_) / 64;
    const auto fitting = static_cast<std::uint64_t>(static_cast<double>(held_bytes_max) / (mean_bytes_ + 64));
    window_ = std::clamp<std::uint64_t>(fitting, std::min(out_max, out_least_), out_max);
  }

  Status copy(const Json& place) {
    if (auto flushed = flush(); !flushed) return flushed;
    const auto path = ipc::from_wire(place);
    if (!path) return path.error();
    const UniqueFd file(::open(path->c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return errno_error("open " + *path);
    char chunk[read_bytes];
    for (ssize_t got = 0; (got = ::read(file.get(), chunk, sizeof chunk)) != 0;) {
      if (got < 0) return errno_error("read " + *path);
      if (auto written = write_out({chunk, static_cast<std::size_t>(got)}); !written) return written;
    }
    ::unlink(path->c_str());
    return ok();
  }

  Status flush() {
    auto written = write_out(output_);
    output_.clear();
    return written;
  }

  static Status write_out(std::string_view bytes) {
    const auto written = write_all(1, bytes);
    return written ? written : Status(make_error(Errc::io, "stdout: " + written.error().message()));
  }

 public:
  void prints_lines(bool wish) { prints_lines_ = wish; }
  void keeps_busy(std::uint64_t workers) {
    workers_ = workers;
    out_least_ = 4 * workers;
  }

 private:
  ipc::Client& client_;
  bool in_order_, is_text_, records_;
  bool prints_lines_ = true;  ///< an answer is a line; else it is bytes
  bool is_numbered_;          ///< a call is its line's number, a blank, the line
  MapExtras& extras_;
  Progress& progress_;
  std::string unread_;  ///< read, and not looked at yet
  std::string line_, items_, unsent_, output_;
  std::uint64_t lines_ = 0;  ///< read
  std::uint64_t out_ = 0;    ///< read and not printed
  std::uint64_t next_ = 0;   ///< printed; in order, the next one's index
  std::uint64_t failed_ = 0;
  std::uint64_t sent_ = 0, answers_ = 0;
  std::uint64_t workers_ = 1;
  std::uint64_t window_ = out_max, out_least_ = 64;
  double mean_bytes_ = 0;
  std::deque<std::uint64_t> index_of_sent_;  ///< from the call `sent_forgotten_` on
  std::set<std::uint64_t> answered_;
  std::uint64_t sent_forgotten_ = 0;
  std::map<std::uint64_t, Answer> held_;          ///< in order: came before its turn
  std::map<std::uint64_t, std::string> line_of_;  ///< with a joblog: of what is out
  bool is_last_ = false, at_end_ = false, said_end_ = false, over_ = false;
  bool is_cut_ = false;  ///< by --halt now
};

struct MapWords {
  std::optional<std::string_view> pool, jobs, function, joblog, halt;
  bool unordered = false, progress = false, text = false, star = false;
};

/// The params of `map` as text. `records`: answers are to be job records.
Result<std::string> to_request(const MapWords& words, const Words& command, bool records) {
  if (command.empty() == !words.function)
    return make_error(Errc::usage, "allowed: one of --fn NAME and -- CMD {} ...");
  if ((words.text || words.star) && !words.function)
    return make_error(Errc::usage, "--text and --star go with --fn NAME");
  if (words.text && words.star) return make_error(Errc::usage, "allowed: one of --text and --star");
  if (words.joblog && words.function)
    return make_error(Errc::usage, "--joblog goes with a command; allowed: map --joblog FILE -- CMD {} ...");
  std::string request;
  ipc::ObjectText params(request);
  if (!command.empty()) params.wires("command", command);
  if (words.function) params.wire("function", *words.function);
  if (words.pool) params.wire("pool", *words.pool);
  if (words.jobs) {
    const auto jobs = parse_integer(*words.jobs, 1, limits::concurrency_max);
    if (!jobs) return make_error(Errc::usage, "--jobs: " + jobs.error().message());
    params.integer("parallel", *jobs);
  }
  if (words.text) params.flag("text");
  if (words.star) params.flag("star");
  if (records) params.flag("records");
  if (words.joblog) params.flag("ends");
  params.member("descriptors") += R"(["stderr"])";
  put_surroundings(params, /*clean_env=*/false);
  params.end();
  return request;
}

Result<MapExtras> extras_of(const MapWords& words, const Words& command) {
  auto halt = Halt::parse(words.halt);
  if (!halt) return halt.error();
  auto joblog = Joblog::create(words.joblog);
  if (!joblog) return joblog.error();
  MapExtras extras;
  extras.command.assign(command.begin(), command.end());
  extras.halt = *halt;
  extras.joblog = std::move(*joblog);
  return extras;
}

std::uint64_t size_of_stdin() {
  struct stat about {};
  if (::fstat(0, &about) < 0 || !S_ISREG(about.st_mode)) return 0;
  return static_cast<std::uint64_t>(about.st_size);
}

/// Opens the mapping; gives how many workers it may have.
Result<std::uint64_t> open(ipc::Client& client, const std::string& request) {
  const int errors[] = {2};
  if (const auto sent = client.send("map", request, errors); !sent) return sent.error();
  auto message = client.next_message();
  if (!message) return message.error();
  const auto opened = ipc::Client::result_of(*message);
  if (!opened) return opened.error();
  return opened->value("parallel", std::uint64_t{1});
}

void tell_halt(std::uint64_t ended) {
  std::string line = "tine map: halted: no more was started";
  if (ended > 0) line += ", " + std::to_string(ended) + " that ran were ended";
  (void)write_all(2, line + "\n");
}

}  // namespace

int map(Invocation& invocation) {
  MapWords words;
  Options options(
      invocation, "map --fn NAME  |  map -- CMD {} ...",
      "Calls a function or a command for each line of stdin, and prints what they give, in order.\n"
      "In a command {} is the line, {.} it without extension, {/} its last part, {//} its folder, {/.} its "
      "last part\nwithout extension, {#} its number; without any of them the line is the last word.");
  options.value("-g,--pool", "POOL", words.pool, "the pool it runs in (default)");
  options.value("-j,--jobs", "N", words.jobs, "at most N at once (the pool's size)");
  options.value("--fn", "NAME", words.function, "the function; a line is its one argument, as JSON");
  options.flag("--text", words.text, "a line is a string, as it stands");
  options.flag("--star", words.star, "a line is the JSON array of all the arguments");
  options.flag("--unordered", words.unordered, "print as they end");
  options.value("--joblog", "FILE", words.joblog, "a row for each command, in GNU parallel's columns");
  options.value("--halt", Halt::placeholder, words.halt,
                "start no more when so many have ended so; now: and end those that run");
  options.flag("--progress", words.progress, "tell on stderr, if that is a terminal, how far it is");
  options.stop_at_first_word();
  if (const auto over = options.parse()) return *over;
  const auto request = to_request(words, options.free_words(), invocation.json);
  if (!request) return fail(invocation, request.error());
  auto extras = extras_of(words, options.free_words());
  if (!extras) return fail(invocation, extras.error());
  auto daemon = reach_daemon(invocation, Autostart::allowed);
  if (daemon.exit_code) return daemon.exit_code;
  const auto workers = open(daemon.client, *request);
  if (!workers) return fail(invocation, workers.error());

  Progress progress(words.progress);
  progress.expect(size_of_stdin());
  Mapping mapping(daemon.client, !words.unordered, words.text, invocation.json, *extras, progress);
  mapping.prints_lines(words.function || invocation.json);
  mapping.keeps_busy(*workers);
  const auto ran = mapping.run();
  progress.clear();
  if (!ran) return fail(invocation, ran.error());
  if (extras->halt.is_reached()) tell_halt(mapping.unanswered());
  return mapping.all_succeeded() ? 0 : 1;
}

}  // namespace tine::cmd
