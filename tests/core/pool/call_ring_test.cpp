#include "core/pool/call_ring.hpp"

#include <doctest/doctest.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <thread>

#include "tests/support/eventually.hpp"

namespace tine {
namespace {

/// A ring, and the two sides of it in one process.
struct Ring {
  explicit Ring(std::uint32_t workers) : ring(std::move(*CallRing::create(workers))) {}

  std::uint32_t offer(std::uint64_t code, std::string_view arguments = "", Notice notice = Notice::reader) {
    const auto slot = ring.offer({code, 0, arguments}, notice);
    REQUIRE(slot);
    REQUIRE(*slot);
    return **slot;
  }
  CallRing::Taken take(std::uint32_t worker) {
    CallRing::Taken taken;
    const auto slot = ring.begin(worker, spin);
    REQUIRE(slot);
    REQUIRE(ring.read_request(*slot, taken));
    return taken;
  }
  std::vector<std::uint32_t> collected() {
    std::vector<std::uint32_t> slots;
    ring.collect(slots);
    return slots;
  }
  bool bell_rings() {
    pollfd bell{ring.bell(), POLLIN, 0};
    return ::poll(&bell, 1, 0) == 1;
  }

  CallRing ring;
  AdaptiveSpin spin;
};

TEST_CASE("call_ring: calls are begun in the order of their offers, and answered in any") {
  Ring r(2);
  r.offer(1, "one");
  r.offer(2, "two");
  const auto first = r.take(0), second = r.take(1);
  CHECK(first.code == 1);
  CHECK(first.arguments == "one");
  CHECK(second.arguments == "two");

  CHECK(r.ring.answer(second.slot, AnswerKind::value, "2"));
  CHECK(r.collected() == std::vector{second.slot});
  CHECK(r.collected().empty());
  CHECK(r.ring.answer(first.slot, AnswerKind::error, "e"));
  CHECK(r.collected() == std::vector{first.slot});

  const auto value = r.ring.take_answer(second.slot), error = r.ring.take_answer(first.slot);
  CHECK(value.kind == AnswerKind::value);
  CHECK(value.bytes == "2");
  CHECK(error.kind == AnswerKind::error);
  CHECK(error.bytes == "e");
}

TEST_CASE("call_ring: texts of any length travel, on both sides of what a slot holds") {
  Ring r(1);
  for (const std::size_t size :
       {std::size_t{0}, CallRing::inline_bytes_max, CallRing::inline_bytes_max + 1, std::size_t{9'000'001}}) {
    const std::string text(size, 'x'), reply(size, 'y');
    r.offer(1, text);
    const auto call = r.take(0);
    CHECK(call.arguments == text);
    REQUIRE(r.ring.answer(call.slot, AnswerKind::value, reply));
    CHECK(r.ring.take_answer(call.slot).bytes == reply);
  }
}

TEST_CASE("call_ring: a full ring takes no offer until an answer was taken") {
  Ring r(1);
  for (std::uint32_t i = 0; i < r.ring.slots(); ++i) r.offer(i);
  CHECK(!*r.ring.offer({}, Notice::reader));
  const auto call = r.take(0);
  REQUIRE(r.ring.answer(call.slot, AnswerKind::value, ""));
  CHECK(!*r.ring.offer({}, Notice::reader));
  r.ring.take_answer(call.slot);
  CHECK(*r.ring.offer({}, Notice::reader));
  for (std::uint32_t i = 1; i < r.ring.slots(); ++i) CHECK(r.take(0).code == i);
}

TEST_CASE("call_ring: a dead worker costs the call it had begun; the others' and the offers stay") {
  Ring r(3);
  for (int i = 0; i < 3; ++i) r.offer(i);
  const auto dead = r.take(0), alive = r.take(1);
  r.ring.bury(0, "why");

  CHECK(r.collected() == std::vector{dead.slot});
  const auto answer = r.ring.take_answer(dead.slot);
  CHECK(answer.kind == AnswerKind::died);
  CHECK(answer.bytes == "why");
  CHECK(r.take(2).code == 2);
  REQUIRE(r.ring.answer(alive.slot, AnswerKind::value, "v"));
  CHECK(r.ring.take_answer(alive.slot).bytes == "v");
}

TEST_CASE("call_ring: an answer that a worker gave before it died is whole, and told once") {
  Ring r(1);
  r.offer(1);
  const auto call = r.take(0);
  REQUIRE(r.ring.answer(call.slot, AnswerKind::value, "v"));
  r.ring.bury(0, "why");
  CHECK(r.collected() == std::vector{call.slot});
  CHECK(r.ring.take_answer(call.slot).bytes == "v");
  r.ring.bury(0, "why");
  CHECK(r.collected().empty());
}

TEST_CASE("call_ring: with no worker left every call has died, the not yet begun too") {
  Ring r(1);
  r.offer(1);
  r.offer(2);
  r.take(0);
  r.ring.bury_all("gone");
  CHECK(r.collected().size() == 2);
}

TEST_CASE("call_ring: the bell rings for a reader that is about to sleep, and only then") {
  Ring r(1);
  r.offer(1);
  r.offer(2);
  REQUIRE(r.ring.answer(r.take(0).slot, AnswerKind::value, ""));
  CHECK(!r.bell_rings());
  r.ring.prepare_sleep();
  REQUIRE(r.ring.answer(r.take(0).slot, AnswerKind::value, ""));
  CHECK(r.bell_rings());
  r.ring.drain_bell();
  CHECK(!r.bell_rings());
  CHECK(r.collected().size() == 2);
}

TEST_CASE("call_ring: a reader that looks finds the answer without a bell") {
  Ring r(1);
  CHECK_FALSE(r.ring.is_looked_at());
  r.offer(1);
  r.ring.prepare_sleep();
  r.ring.stay_awake();
  CHECK_FALSE(r.ring.look_for_answer(r.spin));

  const auto call = r.take(0);
  CHECK(r.ring.answer(call.slot, AnswerKind::value, "1"));

  CHECK(r.ring.look_for_answer(r.spin));
  CHECK_FALSE(r.bell_rings());
  CHECK(r.collected() == std::vector{call.slot});
  CHECK_FALSE(r.ring.look_for_answer(r.spin));
}

TEST_CASE("call_ring: a waiter gets its answer without the reader") {
  Ring r(1);
  const auto slot = r.offer(1, "", Notice::waiter);
  std::thread worker([&] {
    const auto call = r.take(0);
    ::usleep(20'000);  // longer than the waiter spins
    CHECK(r.ring.answer(call.slot, AnswerKind::value, "v"));
  });
  AdaptiveSpin spin;
  r.ring.wait_for_answer(slot, spin);
  worker.join();
  CHECK(r.collected().empty());
  CHECK(r.ring.take_answer(slot).bytes == "v");
}

TEST_CASE("call_ring: workers sleep until there is a call, and leave when told, after the last one") {
  Ring r(2);
  std::atomic<int> taken = 0, left = 0;
  std::vector<std::thread> workers;
  for (std::uint32_t worker : {0u, 1u})
    workers.emplace_back([&, worker] {
      AdaptiveSpin spin;
      while (const auto slot = r.ring.begin(worker, spin)) {
        ++taken;
        (void)r.ring.answer(*slot, AnswerKind::value, "");
      }
      ++left;
    });
  for (int i = 0; i < 100; ++i) {
    r.offer(i);
    if (i % 10 == 0) ::usleep(1000);
  }
  r.ring.tell_to_leave();
  for (auto& worker : workers) worker.join();
  CHECK(taken == 100);
  CHECK(left == 2);
}

TEST_CASE("call_ring: under RLIMIT_FSIZE a long text is an error, and nothing is offered") {
  Ring r(1);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const rlimit low{4096, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &low);
  CHECK(!r.ring.offer({1, 0, std::string(10'000, 'x')}, Notice::reader));
  ::setrlimit(RLIMIT_FSIZE, &before);
  r.offer(7);
  CHECK(r.take(0).code == 7);
}

/// Answers each call with its arguments, twice. Long ones go through the side file.
[[noreturn]] void echo_worker(CallRing& ring, std::uint32_t seat) {
  AdaptiveSpin spin;
  while (const auto slot = ring.begin(seat, spin)) {
    CallRing::Taken call;
    if (!ring.read_request(*slot, call)) ::_exit(3);
    const std::string twice = std::string(call.arguments) + std::string(call.arguments);
    if (!ring.answer(*slot, AnswerKind::value, twice)) ::_exit(4);
  }
  ::_exit(0);
}

pid_t fork_worker(CallRing& ring, std::uint32_t seat) {
  const pid_t pid = ::fork();
  if (pid == 0) echo_worker(ring, seat);
  return pid;
}

TEST_CASE("call_ring: workers killed -9 at any step leave each call with exactly one answer") {
  constexpr int kills = 300, workers = 2;
  Ring r(workers);
  pid_t pids[workers];
  for (std::uint32_t seat = 0; seat < workers; ++seat) pids[seat] = fork_worker(r.ring, seat);

  std::map<std::uint32_t, std::string> waiting;  // by slot: what was sent
  std::size_t right = 0, wrong = 0, died = 0, unknown = 0;
  int number = 0;
  const auto take_answers = [&] {
    for (const std::uint32_t slot : r.collected()) {
      const auto answer = r.ring.take_answer(slot);
      const auto found = waiting.find(slot);
      if (found == waiting.end()) {
        ++unknown;
        continue;
      }
      if (answer.kind == AnswerKind::died)
        ++died;
      else
        ++(answer.bytes == found->second + found->second ? right : wrong);
      waiting.erase(found);
    }
  };
  const auto fill = [&] {
    for (;;) {
      ++number;
      const std::string text(static_cast<std::size_t>(number) * 37 % 700,
                             static_cast<char>('a' + number % 26));
      const auto slot = r.ring.offer({1, 0, text}, Notice::reader);
      if (!*slot) return;
      waiting[**slot] = text;
    }
  };

  std::srand(1);
  for (int i = 0; i < kills; ++i) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(std::rand() % 3000);
    while (std::chrono::steady_clock::now() < until) {
      fill();
      take_answers();
    }
    const auto seat = static_cast<std::uint32_t>(i % workers);
    ::kill(pids[seat], SIGKILL);  // our own child, not reaped yet
    ::waitpid(pids[seat], nullptr, 0);
    r.ring.bury(seat, "killed");
    pids[seat] = fork_worker(r.ring, seat);
  }
  CHECK(test::eventually([&] { return take_answers(), waiting.empty(); }));
  r.ring.tell_to_leave();
  for (const pid_t pid : pids) {
    int status = -1;
    ::waitpid(pid, &status, 0);
    CHECK(status == 0);
  }
  CHECK(wrong == 0);
  CHECK(unknown == 0);
  CHECK(died <= kills);
  CHECK(right > 0);
  MESSAGE(right << " right, " << died << " died of " << kills << " kills");
}

}  // namespace
}  // namespace tine
