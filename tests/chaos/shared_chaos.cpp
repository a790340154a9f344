#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <random>
#include <string>
#include <tine/shared.hpp>
#include <vector>

#include "core/shared/catalogue.hpp"

/// shared_chaos [SECONDS [SEED]]: users of all four structures, in memory of a state dir, killed and stopped
/// at random. At the end sums, multisets and checksums must be exact. Exit 1 and a line for each that is not.
using namespace std::chrono_literals;

namespace {

constexpr int users = 6;
constexpr std::size_t items_max = 4'000'000;

/// What each user has done for certain, next to what it is about to do: a kill leaves at most one of them
/// open.
struct Book {
  tine::SharedArray<long> adds = tine::SharedArray<long>::create("adds", users);  ///< told of sum
  tine::SharedArray<long> incrs =
      tine::SharedArray<long>::create("incrs", users);                            ///< told of the dictionary
  tine::SharedArray<long> locked = tine::SharedArray<long>::create("locked", 2);  ///< two that must be equal
  tine::SharedArray<long> next = tine::SharedArray<long>::create("next", 1);      ///< the last item's number
  tine::SharedArray<unsigned char> put = tine::SharedArray<unsigned char>::create("put", items_max);
  tine::SharedArray<unsigned char> got = tine::SharedArray<unsigned char>::create("got", items_max);
  tine::SharedArray<long> wrong = tine::SharedArray<long>::create("wrong", 1);
};

std::string text_of(long i) {
  return std::string(static_cast<std::size_t>(i % 700), 'x') + std::to_string(i);
}

void use(Book& book, std::size_t self, unsigned seed) {
  std::mt19937 random(seed);
  auto sum = tine::SharedArray<long>::open("sum");
  auto dict = tine::SharedDict::open("dict");
  auto queue = tine::SharedQueue::open("queue");
  auto lock = tine::RLock::open("lock");
  for (;;) {
    switch (random() % 5) {
      case 0:
        sum.add(0, 1);
        book.adds.add(self, 1);
        break;
      case 1: {
        dict.incr("n", 1);
        book.incrs.add(self, 1);
        const int key = static_cast<int>(random() % 50);
        dict.set(key, text_of(key));
        const auto value = dict.find(key + 1);
        if (value && *value != text_of(key + 1)) book.wrong.add(0, 1);
        break;
      }
      case 2: {
        const long i = book.next.add(0, 1);
        if (static_cast<std::size_t>(i) >= items_max) break;
        queue.put(text_of(i));
        book.put.set(static_cast<std::size_t>(i), 1);
        break;
      }
      case 3: {
        auto item = queue.take(10ms);
        if (!item) break;
        const auto text = item->value().get<std::string>();
        const long i = std::stol(text.substr(text.find_first_not_of('x')));
        if (text != text_of(i)) book.wrong.add(0, 1);
        book.got.add(static_cast<std::size_t>(i), 1);
        item->ack();
        break;
      }
      case 4: {
        const std::lock_guard guard(lock);
        if (lock.owner_died()) book.locked[1] = book.locked[0];  // what the dead one left half done
        if (book.locked[0] != book.locked[1]) book.wrong.add(0, 1);
        book.locked.add(0, 1);
        book.locked.add(1, 1);
        break;
      }
    }
  }
}

pid_t start_user(Book& book, std::size_t self, unsigned seed) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  try {
    use(book, self, seed);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "user %zu: %s\n", self, error.what());
  }
  ::_exit(1);
}

bool failed = false;
void check(bool good, const std::string& what) {
  std::printf("%s %s\n", good ? "ok    " : "FAILED", what.c_str());
  if (!good) failed = true;
}

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 20;
  const auto seed = argc > 2 ? static_cast<unsigned>(std::atoi(argv[2])) : static_cast<unsigned>(::getpid());
  char state[] = "/tmp/tine-chaos-XXXXXX";
  if (::mkdtemp(state) == nullptr) return 1;
  ::setenv("TINE_STATE_DIR", state, 1);
  ::unsetenv("TINE_SOCKET");
  ::unsetenv("TINE_JOB_ID");
  std::printf("seed %u\n", seed);
  std::fflush(stdout);

  auto sum = tine::SharedArray<long>::create("sum", 1);
  Book book;
  std::mt19937 random(seed);
  std::vector<pid_t> pids;
  std::vector<long> deaths(users);
  for (std::size_t i = 0; i < users; ++i) pids.push_back(start_user(book, i, random()));
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  long kills = 0, own_ends = 0;
  while (std::chrono::steady_clock::now() < end) {
    ::usleep(500 + random() % 6000);
    const auto i = static_cast<std::size_t>(random() % users);
    if (random() % 8 == 0) {
      ::kill(pids[i], SIGSTOP);
      ::usleep(random() % 20000);
      ::kill(pids[i], SIGCONT);
      continue;
    }
    ::kill(pids[i], SIGKILL);
    int status = 0;
    ::waitpid(pids[i], &status, 0);
    own_ends += WIFEXITED(status);
    ++kills, ++deaths[i];
    pids[i] = start_user(book, i, random());
  }
  for (std::size_t i = 0; i < users; ++i) {
    ::kill(pids[i], SIGKILL);
    ::waitpid(pids[i], nullptr, 0);
    ++deaths[i];
  }

  long adds = 0, incrs = 0, died = 0;
  for (std::size_t i = 0; i < users; ++i) adds += book.adds[i], incrs += book.incrs[i], died += deaths[i];
  check(own_ends == 0, "no user ended by itself; " + std::to_string(kills) + " were killed");
  check(sum[0] >= adds && sum[0] <= adds + died,
        "sum " + std::to_string(sum[0]) + " of " + std::to_string(adds) + " adds told");
  auto dict = tine::SharedDict::open("dict");
  const long n = dict.find("n").value_or(0).get<long>();
  check(n >= incrs && n <= incrs + died,
        "dictionary " + std::to_string(n) + " of " + std::to_string(incrs) + " incrs told");
  bool whole = true;
  for (const auto& [key, value] : dict.items())
    whole = whole && (key == "n" || value == text_of(key.get<long>()));
  check(whole, "each value of the dictionary is one that was set");
  auto queue = tine::SharedQueue::open("queue");
  long left = 0, put = 0, missing = 0, twice = 0;
  while (auto value = queue.try_get()) {
    const auto text = value->get<std::string>();
    const long i = std::stol(text.substr(text.find_first_not_of('x')));
    if (text != text_of(i)) book.wrong.add(0, 1);
    book.got.add(static_cast<std::size_t>(i), 1);
    ++left;
  }
  for (std::size_t i = 0; i < items_max; ++i) {
    put += book.put[i];
    missing += book.put[i] && !book.got[i];
    twice += book.got[i] > 1;
  }
  check(put > 0 && missing == 0, "queue: none missing of " + std::to_string(put) + " items that were put, " +
                                     std::to_string(left) + " of them left at the end");
  check(twice <= died, "queue: " + std::to_string(twice) + " twice, of takers killed before their ack");
  auto lock = tine::RLock::open("lock");
  check(lock.acquire(1s), "the lock is free");
  if (lock.owner_died()) book.locked[1] = book.locked[0];
  check(book.locked[0] == book.locked[1] && book.locked[0] > 0,
        "lock: " + std::to_string(book.locked[0]) + " entries, both counts agree");
  check(book.wrong[0] == 0, "nobody saw a torn value, or another inside of the lock");
  for (const auto& finding : tine::shared::check_all(*tine::shared::Folder::open(state)))
    check(finding.trouble.empty(),
          std::string(tine::shared::kind_name(finding.kind)) + " " + finding.name + " " + finding.trouble);
  std::filesystem::remove_all(state);
  return failed ? 1 : 0;
}
