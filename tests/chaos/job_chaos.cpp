// Random submits, cancels and kills -9 of tined, zygotes, workers and clients against a real tined in a
// folder of its own; then the books are checked: what was acknowledged has one end, no job has run twice, a
// success has its effect, and nothing is left behind. `tine_job_chaos [--seconds N] [--seed S]`; exit 1 keeps
// the folder for a look.
#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <sstream>

#include "tests/support/eventually.hpp"
#include "tests/support/shell.hpp"

namespace {

using namespace tine::test;
using Json = nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr std::size_t clients_max = 6;
constexpr std::size_t bursts_one_in = 400;  ///< submits
/// What waits in line has to end when all is over.
constexpr int queued_max = 300;
constexpr std::size_t looked_at_every = 32;  ///< submits

/// What a job does is its name; each that comes so far leaves one line in effect/ID.
struct Kind {
  const char* name;
  std::vector<std::string> words;
  bool has_effect;  ///< a success, or exit code 3, without it is a lie
};

const std::vector<Kind> kinds = {
    // So many that workers have some ahead.
    {"burst", {"--array", "1-100", "--shell", "echo $TINE_ATTEMPT >>effect/$TINE_JOB_ID"}, true},
    {"effect", {"--shell", "echo $TINE_ATTEMPT >>effect/$TINE_JOB_ID"}, true},
    {"slow", {"--shell", "sleep 0.$TINE_SLOT; echo $TINE_ATTEMPT >>effect/$TINE_JOB_ID; sleep 0.2"}, true},
    {"code3", {"--shell", "echo $TINE_ATTEMPT >>effect/$TINE_JOB_ID; exit 3"}, true},
    {"litter",
     {"--shell",
      "setsid sh -c 'trap \"\" TERM; while :; do sleep 60; done' & env -i /bin/sleep 600 & "
      "echo $TINE_ATTEMPT >>effect/$TINE_JOB_ID; sleep 0.1"},
     true},
    {"late", {"-t", "100ms", "--kill-after", "50ms", "--shell", "trap '' TERM; sleep 60; sleep 60"}, false},
    {"loud", {"--shell", "head -c 100000 /dev/zero; echo $TINE_ATTEMPT >>effect/$TINE_JOB_ID"}, true},
    {"told", {"--callback", "cat >>told", "--shell", "echo $TINE_ATTEMPT >>effect/$TINE_JOB_ID"}, true},
    {"call", {"--fn", "echo", "--args", "[1]"}, false},
    {"nap", {"--fn", "sleep", "--args", "[0.2]"}, false},
    {"crash", {"--fn", "crash", "--args", "[\"exit\"]"}, false},
};

const Kind* kind_named(const std::string& name) {
  for (const auto& kind : kinds)
    if (name == kind.name) return &kind;
  return nullptr;
}

class Chaos {
 public:
  explicit Chaos(std::uint64_t seed) : random_(seed) {
    std::string pattern = "/tmp/tine-chaos-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    ::mkdir((folder_ + "/effect").c_str(), 0700);
    // With a module, a worker is forked ahead.
    write_whole_file(folder_ + "/tined.json",
                     R"({"pools": [{"name": "default", "size": 3}], "modules": [")" FOO_MODULE_PATH R"("]})");
    environment_ = environment_with(
        {"TINE_JOB_ID", "TINE_STATE_DIR=" + folder_ + "/state", "TINE_SOCKET=" + folder_ + "/state/tine.sock",
         "TINE_CONFIG=" + folder_ + "/tined.json", "TINE_AUTOSTART=0", "CHAOS=" + folder_});
  }

  int run(double seconds) {
    start_daemon();
    const auto until = Clock::now() + std::chrono::duration<double>(seconds);
    while (Clock::now() < until) {
      act();
      collect_clients(false);
    }
    settle();
    check_jobs();
    check_leftovers();
    std::printf("%zu jobs acknowledged; killed: %d tined, %d zygotes, %d workers, %d clients; ends:",
                acknowledged_.size(), daemons_killed_, zygotes_killed_, workers_killed_, clients_killed_);
    for (const auto& [state, count] : ends_) std::printf(" %s %d", state.c_str(), count);
    std::printf("\n");
    for (const auto& wrong : wrong_) std::printf("WRONG: %s\n", wrong.c_str());
    if (!wrong_.empty()) std::printf("the folder is kept: %s\n", folder_.c_str());
    if (wrong_.empty()) std::filesystem::remove_all(folder_);
    return wrong_.empty() ? 0 : 1;
  }

 private:
  std::size_t below(std::size_t bound) { return random_() % bound; }

  Running tine(std::vector<std::string> words) {
    words.insert(words.begin(), TINE_PATH);
    return Running(words, environment_);
  }

  void act() {
    const auto dice = below(100);
    if (dice < 70)
      submit();
    else if (dice < 78)
      cancel_one();
    else if (dice < 83)
      watch_one();
    else if (dice < 88)
      kill_client();
    else if (dice < 94)
      workers_killed_ += kill_one_named(below(8) == 0 ? "tine-spare" : "tine-worker");
    else if (dice < 97)
      zygotes_killed_ += kill_one_named("tine-zygote");
    else
      kill_daemon();
  }

  void submit() {
    if (++submits_ % looked_at_every == 0) is_behind_ = is_line_long();
    if (is_behind_) return static_cast<void>(::usleep(10'000));
    if (clients_.size() >= clients_max) return collect_clients(true);
    const Kind& kind = below(bursts_one_in) == 0 ? kinds.front() : kinds[1 + below(kinds.size() - 1)];
    std::vector<std::string> words = {"submit", "-n", kind.name, "-w", folder_};
    words.insert(words.end(), kind.words.begin(), kind.words.end());
    clients_.push_back(tine(words));
  }

  bool is_line_long() {
    const auto status = Json::parse(tine({"status", "--json"}).wait().out, nullptr, false);
    return !status.is_discarded() && status["jobs"]["queued"] > queued_max;
  }

  void cancel_one() {
    if (!acknowledged_.empty() && clients_.size() < clients_max)
      others_.push_back(tine({"cancel", some_job()}));
  }
  void watch_one() {
    if (!acknowledged_.empty() && others_.size() < clients_max) others_.push_back(tine({"wait", some_job()}));
  }
  std::string some_job() {
    return std::to_string(*std::next(
        acknowledged_.begin(), static_cast<long>(acknowledged_.size() - 1 -
                                                 below(std::min<std::size_t>(acknowledged_.size(), 20)))));
  }

  void kill_client() {
    if (clients_.empty()) return;
    clients_[below(clients_.size())].kill(SIGKILL);
    ++clients_killed_;
  }

  /// What an ended submit has printed is acknowledged.
  void collect_clients(bool wait) {
    if (wait) eventually([&] { return clients_.empty() || clients_.front().has_ended(); });
    for (auto it = clients_.begin(); it != clients_.end();) {
      if (!it->has_ended()) {
        ++it;
        continue;
      }
      const auto finished = it->wait();
      // A number, or those of an array: 12-111.
      std::size_t first_size = 0;
      if (finished.exit_status == 0) {
        const auto first = std::stoull(finished.out, &first_size);
        const bool is_range = finished.out[first_size] == '-';
        const auto last = is_range ? std::stoull(finished.out.substr(first_size + 1)) : first;
        for (auto id = first; id <= last; ++id) acknowledged_.insert(id);
      }
      it = clients_.erase(it);
    }
    std::erase_if(others_, [](const Running& other) { return other.has_ended(); });
  }

  static std::string name_of(pid_t pid) {
    const auto text = read_whole_file("/proc/" + std::to_string(pid) + "/comm");
    return text.substr(0, text.find('\n'));
  }
  static pid_t parent_of(pid_t pid) {
    const auto text = read_whole_file("/proc/" + std::to_string(pid) + "/status");
    const auto at = text.find("\nPPid:\t");
    return at == std::string::npos ? 0 : std::atoi(text.c_str() + at + 7);
  }

  std::vector<pid_t> ours(const std::string& name) const {
    std::vector<pid_t> found;
    DIR* entries = ::opendir("/proc");
    while (const dirent* entry = ::readdir(entries)) {
      const pid_t pid = std::atoi(entry->d_name);
      if (pid <= 0 || pid == ::getpid() || !is_alive(pid)) continue;
      const std::string about = "/proc/" + std::to_string(pid);
      if (!name.empty() && name_of(pid) != name) continue;
      std::error_code ignored;
      const bool marked = read_whole_file(about + "/environ").find("CHAOS=" + folder_) != std::string::npos;
      if (marked || std::filesystem::read_symlink(about + "/cwd", ignored) == folder_) found.push_back(pid);
    }
    ::closedir(entries);
    return found;
  }

  int kill_one_named(const std::string& name) {
    auto pids = ours(name);
    // A worker's child has its name until it executes the job.
    std::erase_if(pids, [&](pid_t pid) { return name == "tine-worker" && name_of(parent_of(pid)) == name; });
    if (pids.empty()) return 0;
    ::kill(pids[below(pids.size())], SIGKILL);
    return 1;
  }

  void kill_daemon() {
    daemon_.kill(SIGKILL);
    daemon_.wait();
    ++daemons_killed_;
    // Sometimes nobody is left who has seen anything.
    if (below(4) == 0)
      for (const auto* name : {"tine-zygote", "tine-spare", "tine-worker"}) {
        const auto pids = ours(name);
        for (const pid_t pid : pids) ::kill(pid, SIGKILL);
      }
    ::usleep(static_cast<useconds_t>(below(100'000)));
    start_daemon();
  }

  void start_daemon() {
    daemon_ = Running({TINED_PATH}, environment_);
    if (!eventually([&] { return tine({"ping"}).wait().exit_status == 0; })) {
      wrong_.push_back("tined did not start: " + daemon_.err_so_far());
      log_ += daemon_.err_so_far();
    }
  }

  void settle() {
    eventually(
        [&] {
          collect_clients(false);
          return clients_.empty();
        },
        std::chrono::seconds(20));
    if (daemon_.has_ended()) wrong_.push_back("tined ended by itself: " + daemon_.err_so_far());
    const auto waited = tine({"wait", "--all", "--timeout", "60"}).wait(std::chrono::seconds(90));
    if (waited.exit_status == 124) wrong_.emplace_back("not all jobs ended within a minute");
    // Callbacks are not waited for by `wait`.
    eventually(
        [&] {
          return tine({"list", "--json"}).wait().out.find(R"("state":"pending")") == std::string::npos;
        },
        std::chrono::seconds(20));
    daemon_.kill(SIGKILL);
    daemon_.wait();
    start_daemon();
  }

  void check_jobs() {
    std::set<std::uint64_t> known;
    std::istringstream lines(tine({"list", "--json", "--limit", "1000000"}).wait().out);
    for (std::string line; std::getline(lines, line);) {
      const auto id = Json::parse(line)["id"].get<std::uint64_t>();
      if (!known.insert(id).second) wrong_.push_back("job " + std::to_string(id) + " is there twice");
    }
    for (const auto id : acknowledged_)
      if (!known.count(id)) wrong_.push_back("job " + std::to_string(id) + " was acknowledged and is gone");
    for (const auto id : known) check_job(id);
  }

  void check_job(std::uint64_t id) {
    const auto text = tine({"show", std::to_string(id)}).wait().out;
    const auto record = Json::parse(text, nullptr, false);
    if (record.is_discarded()) return wrong_.push_back("show " + std::to_string(id) + ": " + text);
    const std::string state = record["state"];
    ++ends_[state];
    static const std::set<std::string> ended = {"succeeded", "failed", "timed_out", "cancelled", "lost"};
    if (!ended.count(state)) wrong_.push_back("job " + std::to_string(id) + " is still " + state);
    const Kind* kind = kind_named(record["name"]);
    if (!kind) return wrong_.push_back("a job nobody submitted: " + record.dump());
    const auto effect = read_whole_file(folder_ + "/effect/" + std::to_string(id));
    const auto times = std::count(effect.begin(), effect.end(), '\n');
    if (times > 1) wrong_.push_back("ran " + std::to_string(times) + " times: " + record.dump());
    const bool claims = state == "succeeded" || (state == "failed" && record["reason"] == "exit");
    if (kind->has_effect && claims && times != 1) wrong_.push_back("no effect: " + record.dump());
    const int code = record["exit_code"].is_number() ? record["exit_code"].get<int>() : -1;
    if (claims && kind->name == std::string("code3") && code != 3)
      wrong_.push_back("exit code: " + record.dump());
    if (claims && kind->name == std::string("loud") && record["stdout_bytes"] != 100000)
      wrong_.push_back("output: " + std::to_string(id) + " " + record["stdout_bytes"].dump());
    if (kind->name == std::string("told") &&
        (record["callback"].is_null() || record["callback"]["state"] != "succeeded"))
      wrong_.push_back("callback: " + record["callback"].dump());
  }

  void check_leftovers() {
    for (auto& other : others_) other.kill(SIGKILL);
    others_.clear();
    const auto stopped = tine({"shutdown"}).wait();
    if (stopped.exit_status != 0) wrong_.push_back("shutdown: " + stopped.err);
    daemon_.wait(std::chrono::seconds(20));
    if (!eventually([&] { return ours("").empty(); }))
      for (const pid_t pid : ours("")) {
        auto words = read_whole_file("/proc/" + std::to_string(pid) + "/cmdline");
        std::replace(words.begin(), words.end(), '\0', ' ');
        wrong_.push_back("left alive: " + std::to_string(pid) + " " + words);
        ::kill(pid, SIGKILL);
      }
    for (const auto& entry : std::filesystem::directory_iterator(folder_ + "/state/spool"))
      wrong_.push_back("left in the spool: " + entry.path().string());
    for (const auto& entry : std::filesystem::directory_iterator(folder_ + "/state/output"))
      if (entry.path().filename().string().find('-') != std::string::npos)  // a worker's, not a job's
        wrong_.push_back("left in the output: " + entry.path().string());
  }

  std::mt19937_64 random_;
  std::string folder_, log_;
  std::vector<std::string> environment_;
  Running daemon_;
  std::vector<Running> clients_, others_;
  std::size_t submits_ = 0;
  bool is_behind_ = false;
  std::set<std::uint64_t> acknowledged_;
  std::map<std::string, int> ends_;
  std::vector<std::string> wrong_;
  int daemons_killed_ = 0, zygotes_killed_ = 0, workers_killed_ = 0, clients_killed_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  double seconds = 20;
  std::uint64_t seed = std::random_device()();
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::string_view(argv[i]) == "--seconds") seconds = std::atof(argv[i + 1]);
    if (std::string_view(argv[i]) == "--seed") seed = std::strtoull(argv[i + 1], nullptr, 10);
  }
  std::printf("jobs: seed %llu, %.0f s\n", static_cast<unsigned long long>(seed), seconds);
  std::fflush(stdout);
  return Chaos(seed).run(seconds);
}
