// The limits of calls: microseconds of one bare round trip between two processes through shared memory,
// spinning (apply) or sleeping on a futex (sleep); of a fork, exit and wait (process); of the work itself
// (map, async: a call written and read back in a ring by one process). limit_calls
// apply|sleep|async|map|process COUNT
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

double us_since(Clock::time_point from) {
  return std::chrono::duration<double, std::micro>(Clock::now() - from).count();
}

template <class F>
double median_us(int count, F round) {
  std::vector<double> times;
  for (int i = 0; i < count; ++i) {
    const auto from = Clock::now();
    round();
    times.push_back(us_since(from));
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

struct Words {
  alignas(64) std::atomic<std::uint32_t> asked{0};
  alignas(64) std::atomic<std::uint32_t> answered{0};
  std::atomic<int> value{0};
};

void await(std::atomic<std::uint32_t>& word, std::uint32_t old, bool sleeps) {
  while (word.load() == old)
    if (sleeps) ::syscall(SYS_futex, &word, FUTEX_WAIT, old, nullptr, nullptr, 0);
}
void tell(std::atomic<std::uint32_t>& word, bool sleeps) {
  word.fetch_add(1);
  if (sleeps) ::syscall(SYS_futex, &word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

double round_trip(int count, bool sleeps) {
  void* memory = ::mmap(nullptr, sizeof(Words), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) std::exit(1);
  Words& words = *new (memory) Words;
  const pid_t pid = ::fork();
  if (pid == 0) {
    for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(count); ++i) {
      await(words.asked, i, sleeps);
      ++words.value;
      tell(words.answered, sleeps);
    }
    ::_exit(0);
  }
  std::uint32_t done = 0;
  const double us = median_us(count, [&] {
    tell(words.asked, sleeps);
    await(words.answered, done++, sleeps);
  });
  ::waitpid(pid, nullptr, 0);
  return us;
}

double bare_ring(int count) {
  std::vector<std::atomic<std::uint64_t>> ring(256);
  std::uint64_t sum = 0;
  const auto from = Clock::now();
  for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(count); ++i) {
    auto& slot = ring[i % 256];
    slot.store(i + 1);  // offered
    std::uint64_t seen = i + 1;
    slot.compare_exchange_strong(seen, seen | 1ull << 32);  // begun
    slot.store(0);                                          // answered
    sum += seen;
  }
  const double us = us_since(from) / count;
  return sum == 0 ? 0 : us;
}

double bare_work(int count) {
  std::vector<int> items(static_cast<std::size_t>(count), 1), results(items.size());
  const auto from = Clock::now();
  for (std::size_t i = 0; i < items.size(); ++i) {
    int item = items[i];
    asm volatile("" : "+r"(item));  // one call an item
    results[i] = item + 1;
  }
  const double us = us_since(from) / count;
  return results.back() == 2 ? us : 0;
}

double bare_process(int count) {
  return median_us(count, [] {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(0);
    ::waitpid(pid, nullptr, 0);
  });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const std::string kind = argv[1];
  const int count = std::atoi(argv[2]);
  if (count < 1) return 2;
  if (kind == "apply") return std::printf("%.4f\n", round_trip(count, false)), 0;
  if (kind == "sleep") return std::printf("%.4f\n", round_trip(count, true)), 0;
  if (kind == "async") return std::printf("%.4f\n", bare_ring(count)), 0;
  if (kind == "map") return std::printf("%.4f\n", bare_work(count)), 0;
  if (kind == "process") return std::printf("%.4f\n", bare_process(count)), 0;
  return 2;
}
