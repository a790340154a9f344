#include "core/job/job.hpp"

#include <doctest/doctest.h>
#include <signal.h>

namespace tine {
namespace {

JobSpec full_spec() {
  JobSpec spec;
  spec.name = std::string("n\0\xFF", 3);
  spec.pool = "io";
  spec.kind = JobKind::function;
  spec.shell = true;
  spec.argv = {"a", "", "c"};
  spec.function = "foo";
  spec.args_json = "[1]";
  spec.priority = -7;
  spec.workdir = "/tmp";
  spec.umask = 077;
  spec.environment_extra = {"A=1"};
  spec.stdin_path = "/in";
  spec.stdin_is_spooled = true;
  spec.labels = {{"k", "v"}, {"", ""}};
  spec.timeout_s = 1.5;
  spec.kill_after_s = 0;
  spec.callback = "cat";
  spec.foreground = tine::Foreground::given_away;
  spec.not_before = 5;
  spec.dependencies = {{After::not_ok, 7}, {After::any, 8}};
  spec.retries = 3;
  spec.retry_delay_s = 0.5;
  spec.backoff = 2;
  spec.array_index = 0;
  spec.array_id = 9;
  spec.array_max = 4;
  spec.unique_key = "u";
  spec.on_duplicate = OnDuplicate::replace;
  spec.idempotency_key = "i";
  spec.slots = 2;
  spec.max_output_bytes = 10;
  spec.max_memory_bytes = 20;
  spec.nice = -5;
  spec.clean_environment = true;
  return spec;
}

TEST_CASE("job spec: every field survives its bytes") {
  const JobSpec spec = full_spec();
  const auto read = decode_spec(encode(spec));
  REQUIRE(read);
  CHECK(read->name == spec.name);
  CHECK(read->kind == JobKind::function);
  CHECK(read->argv == spec.argv);
  CHECK(read->priority == -7);
  CHECK(read->umask == 077);
  CHECK(read->environment_extra == spec.environment_extra);
  CHECK(read->stdin_is_spooled);
  CHECK(read->labels == spec.labels);
  CHECK(read->timeout_s == 1.5);
  CHECK(read->kill_after_s == 0);
  CHECK(encode(*read) == encode(spec));
  CHECK(read->dependencies.size() == 2);
  CHECK(read->array_index == 0u);
  CHECK(read->nice == -5);
  CHECK(read->has_conditions());
  CHECK(read->foreground == tine::Foreground::given_away);
  CHECK(encode(*read) == encode(spec));
}

TEST_CASE("job spec: cut anywhere or with a byte more, it is none") {
  const std::string bytes = encode(full_spec());
  for (std::size_t size = 0; size < bytes.size(); ++size)
    CHECK_FALSE(decode_spec(std::string_view(bytes).substr(0, size)));
  CHECK_FALSE(decode_spec(bytes + "x"));
}

TEST_CASE("outcome: every field survives its bytes, and no shorter ones are taken") {
  Outcome outcome;
  outcome.job = 1ull << 40;
  outcome.attempt = 3;
  outcome.state = JobState::failed;
  outcome.reason = Reason::signal;
  outcome.signal = SIGKILL;
  outcome.result_json = "null";
  outcome.error_type = "T";
  outcome.error_message = "m";
  outcome.started = 5;
  outcome.finished = 9;
  outcome.max_rss_bytes = 1 << 20;
  outcome.stdout_bytes = 3;
  outcome.stdout_inline = std::string("a\0b", 3);
  outcome.stderr_in_file = true;
  const std::string bytes = encode(outcome);
  const auto read = decode_outcome(bytes);
  REQUIRE(read);
  CHECK(read->job == outcome.job);
  CHECK(read->signal == SIGKILL);
  CHECK_FALSE(read->exit_code);
  CHECK(read->stdout_inline == outcome.stdout_inline);
  CHECK(read->stderr_in_file);
  CHECK(encode(*read) == bytes);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    CHECK_FALSE(decode_outcome(std::string_view(bytes).substr(0, size)));
}

TEST_CASE("job: its end decides what a client exits with") {
  const auto code = [](JobState state, Reason reason, std::optional<int> exit,
                       std::optional<int> signal = {}) {
    return exit_code_of_job(state, reason, JobKind::command, exit, signal);
  };
  CHECK(code(JobState::succeeded, Reason::exit, 0) == 0);
  CHECK(code(JobState::failed, Reason::exit, 7) == 7);
  CHECK(code(JobState::failed, Reason::signal, {}, SIGTERM) == 128 + SIGTERM);
  CHECK(code(JobState::failed, Reason::exec, 127) == 127);
  CHECK(code(JobState::timed_out, Reason::timeout, 0) == 124);
  CHECK(code(JobState::cancelled, Reason::cancelled, 0) == 143);
  CHECK(code(JobState::cancelled, Reason::dependency, {}) == 125);
  CHECK(code(JobState::lost, Reason::worker_died, {}) == 125);
  CHECK(exit_code_of_job(JobState::failed, Reason::exception, JobKind::function, {}, {}) == 1);
}

TEST_CASE("job state: each has a name that leads back to it") {
  for (const auto state :
       {JobState::waiting, JobState::held, JobState::queued, JobState::running, JobState::succeeded,
        JobState::failed, JobState::timed_out, JobState::cancelled, JobState::lost})
    CHECK(job_state_from(name_of(state)) == state);
  CHECK_FALSE(job_state_from("done"));
}

TEST_CASE("signal: is named as people name it") {
  CHECK(signal_name(SIGKILL) == "SIGKILL");
  for (const char* text : {"KILL", "SIGKILL", "kill", "9"}) CHECK(signal_from(text) == SIGKILL);
  for (const char* text : {"", "0", "-9", "65", "NOPE"}) CHECK_FALSE(signal_from(text));
}

}  // namespace
}  // namespace tine
