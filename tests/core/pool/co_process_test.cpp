#include "core/pool/co_process.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "core/process/process_tree.hpp"

namespace tine {
namespace {

std::string reply_refusal(const char* line) {
  const auto reply = parse_reply(line, 3);
  return reply ? "" : reply.error().context;
}

TEST_CASE("co-process: a reply is a result or an error") {
  CHECK(parse_reply(R"({"id":3,"result":[1,null]})", 3)->result_json == "[1,null]");
  CHECK(parse_reply(R"({"id":3,"result":null})", 3)->result_json == "null");
  const auto error = parse_reply(R"({"id":3,"error":{"type":"T","message":"m"}})", 3);
  CHECK(error->error_type == "T");
  CHECK(error->error_message == "m");
}

TEST_CASE("co-process: a line that is no reply is refused with what is wrong") {
  CHECK(reply_refusal("hello") == "its line is not JSON: \"hello\"");
  CHECK(reply_refusal("") == "its line is not JSON: \"\"");
  CHECK(reply_refusal("{\"id\":3,\"result\":\"\xff\"}").find("not JSON") != std::string::npos);
  CHECK(reply_refusal("[3]").find("no JSON object") != std::string::npos);
  CHECK(reply_refusal(R"({"result":1})").find("no id") != std::string::npos);
  CHECK(reply_refusal(R"({"id":4,"result":1})") == "its line has the id \"4\", asked was 3");
  CHECK(reply_refusal(R"({"id":-3,"result":1})").find("the id \"-3\"") != std::string::npos);
  CHECK(reply_refusal(R"({"id":3})").find("one of result and error") != std::string::npos);
  CHECK(reply_refusal(R"({"id":3,"result":1,"error":{"type":"T"}})").find("one of") != std::string::npos);
  CHECK(reply_refusal(R"({"id":3,"error":"no"})").find("its error is not") != std::string::npos);
  CHECK(reply_refusal(std::string(100000, '[').c_str()).find("nested deeper") != std::string::npos);
}

CoProcess shell_process(const char* script) { return CoProcess({"f", {"sh", "-c", script}, "/"}, {}, 0); }

TEST_CASE("co-process: started once, it answers call after call") {
  CoProcess process =
      shell_process(R"(n=0; while read -r line; do n=$((n+1)); echo "{\"id\":$n,\"result\":$$}"; done)");

  const auto first = process.call("[1]"), second = process.call("[\n2\n]");

  CHECK(first.error_message == "");
  CHECK(first.result_json == second.result_json);
  CHECK(std::stoi(first.result_json) > 1);
}

TEST_CASE("co-process: one that died fails its call, and the next call starts it again") {
  CoProcess process = shell_process(R"(read -r line; echo '{"id":1,"result":1}'; read -r line; exit 3)");

  CHECK(process.call("[]").result_json == "1");
  const auto died = process.call("[]");
  CHECK(died.error_type == "WorkerDied");
  CHECK(died.error_message.find("exited with 3 before it had answered") != std::string::npos);
  CHECK(process.call("[]").error_message.find("the id \"1\", asked was 3") != std::string::npos);
}

TEST_CASE("co-process: an answer that is its last word counts") {
  CoProcess process = shell_process(R"(read -r line; echo '{"id":1,"result":"bye"}')");

  CHECK(process.call("[]").result_json == "\"bye\"");
}

TEST_CASE("co-process: one that died between two calls costs none") {
  CoProcess process =
      shell_process(R"(read -r line; id=${line#*:}; echo "{\"id\":${id%%,*},\"result\":$$}"; read -r line
    echo "{\"id\":2,\"result\":$$}"; exec sleep 600)");
  const pid_t first = std::stoi(process.call("[]").result_json);
  REQUIRE(first > 1);
  ::kill(first, SIGKILL);
  siginfo_t info{};
  REQUIRE(::waitid(P_PID, static_cast<id_t>(first), &info, WEXITED | WNOWAIT) == 0);

  const auto second = process.call("[]");

  CHECK(second.error_message == "");
  CHECK(second.result_json != std::to_string(first));
}

TEST_CASE("co-process: after a wrong line it is killed with all that it started") {
  // In a process of its own: a worker is a subreaper, and this one is better none.
  const pid_t worker = ::fork();
  if (worker == 0) {
    if (!become_subreaper()) ::_exit(10);
    CoProcess process = shell_process("read -r line; sleep 600 & echo \"sleep is $!\"; wait");
    const auto bad = process.call("[]");
    const auto at = bad.error_message.find("sleep is ");
    if (bad.error_type != "BadReply" || at == std::string::npos) ::_exit(11);
    const pid_t left = std::atoi(bad.error_message.c_str() + at + 9);
    ::_exit(left > 1 && ::kill(left, 0) < 0 ? 0 : 12);
  }
  REQUIRE(worker > 1);

  int status = 0;
  REQUIRE(::waitpid(worker, &status, 0) == worker);

  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("co-process: a line without end is bounded") {
  CoProcess process = shell_process("read -r line; exec cat /dev/zero");

  const auto bad = process.call("[]");

  CHECK(bad.error_type == "BadReply");
  CHECK(bad.error_message.find("over 16 MiB") != std::string::npos);
}

TEST_CASE("co-process: large arguments and answers pass while both sides write") {
  CoProcess process = shell_process(
      R"(printf '{"id":1,"result":['; head -c 1000000 | tr -c , '[1*]' >&2; head -c 300000 /dev/zero | sed 's/\x00/0,/g'
    echo '0]}')");
  std::string args = "[\"" + std::string(3'000'000, 'x') + "\"]";
  const int own = ::dup(2), null = ::open("/dev/null", O_WRONLY);
  ::dup2(null, 2);

  const auto large = process.call(args);

  ::dup2(own, 2);
  ::close(own), ::close(null);
  CHECK(large.error_message == "");
  CHECK(large.result_json.size() == 600'003);
}

TEST_CASE("co-process: what cannot be started says so at the call") {
  CoProcess absent({"f", {"no-such-program"}, "/"}, {}, 0),
      homeless({"f", {"cat"}, "/no/such/folder"}, {}, 0);

  CHECK(absent.call("[]").error_type == "CommandNotFound");
  CHECK(homeless.call("[]").error_type == "WorkdirGone");
}

TEST_CASE("co-process: it outlives the strays of a call") {
  CoProcess process =
      shell_process(R"(n=0; while read -r line; do n=$((n+1)); echo "{\"id\":$n,\"result\":$$}"; done)");
  const auto first = process.call("[]");
  const pid_t stray = ::fork();
  if (stray == 0) {
    ::pause();
    ::_exit(0);
  }
  REQUIRE(stray > 1);

  kill_strays();

  CHECK(::kill(stray, 0) < 0);
  CHECK(process.call("[]").result_json == first.result_json);
  const pid_t kept = std::stoi(first.result_json);
  REQUIRE(kept > 1);
  forget_child(kept);
  kill_strays();
  CHECK(::kill(kept, 0) < 0);
}

}  // namespace
}  // namespace tine
