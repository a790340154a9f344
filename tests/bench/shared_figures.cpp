#include <lmdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>
#include <tine/shared.hpp>
#include <vector>

/// Shared state against what is beneath it, as ratios of medians of interleaved rounds. One line a figure:
/// name, tine's ns, the other's ns, ratio (under 1: tine is quicker).
namespace {

using Clock = std::chrono::steady_clock;

double ns_each(int count, const std::function<void(int)>& body) {
  const auto begin = Clock::now();
  body(count);
  return std::chrono::duration<double, std::nano>(Clock::now() - begin).count() / count;
}

void compare(const char* name, int count, const std::function<void(int)>& ours,
             const std::function<void(int)>& bare) {
  std::vector<double> a, b;
  for (int round = 0; round < 9; ++round) {
    a.push_back(ns_each(count, ours));
    b.push_back(ns_each(count, bare));
  }
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  std::printf("%-28s %9.1f ns %9.1f ns   %.2f\n", name, a[4], b[4], a[4] / b[4]);
}

pthread_mutex_t* robust_mutex(int type) {
  auto* mutex = static_cast<pthread_mutex_t*>(
      ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  pthread_mutexattr_t attributes;
  ::pthread_mutexattr_init(&attributes);
  ::pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  ::pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  ::pthread_mutexattr_settype(&attributes, type);
  ::pthread_mutex_init(mutex, &attributes);
  return mutex;
}

struct BareLmdb {
  explicit BareLmdb(const std::string& folder) {
    std::filesystem::create_directory(folder);
    ::mdb_env_create(&env);
    ::mdb_env_set_mapsize(env, 64u << 20);
    ::mdb_env_open(env, folder.c_str(), MDB_NOSYNC | MDB_NOTLS | MDB_NORDAHEAD | MDB_WRITEMAP, 0600);
    MDB_txn* txn = nullptr;
    ::mdb_txn_begin(env, nullptr, 0, &txn);
    ::mdb_dbi_open(txn, nullptr, 0, &dbi);
    ::mdb_txn_commit(txn);
  }
  void put(int i) {
    std::string k = "key" + std::to_string(i % 1000), v = std::to_string(i);
    MDB_val key{k.size(), k.data()}, value{v.size(), v.data()};
    MDB_txn* txn = nullptr;
    ::mdb_txn_begin(env, nullptr, 0, &txn);
    ::mdb_put(txn, dbi, &key, &value, 0);
    ::mdb_txn_commit(txn);
  }
  int get(int i) {
    std::string k = "key" + std::to_string(i % 1000);
    MDB_val key{k.size(), k.data()}, value{};
    MDB_txn* txn = nullptr;
    ::mdb_txn_begin(env, nullptr, MDB_RDONLY, &txn);
    ::mdb_get(txn, dbi, &key, &value);
    const int number = std::atoi(static_cast<const char*>(value.mv_data));
    ::mdb_txn_abort(txn);
    return number;
  }
  MDB_env* env = nullptr;
  MDB_dbi dbi = 0;
};

void queue_one_to_one(int count) {
  tine::SharedQueue queue;
  const pid_t child = ::fork();
  if (child == 0) {
    for (int i = 0; i < count; ++i) queue.put(i);
    ::_exit(0);
  }
  long sum = 0;
  for (int i = 0; i < count; ++i) sum += queue.get().get<int>();
  if (sum != static_cast<long>(count) * (count - 1) / 2) std::abort();
  ::waitpid(child, nullptr, 0);
}

}  // namespace

int main() {
  char scratch[] = "/tmp/tine-bench-XXXXXX";
  if (::mkdtemp(scratch) == nullptr) return 1;
  ::setenv("TMPDIR", scratch, 1);

  tine::SharedArray<long> array(4);
  auto* recursive = robust_mutex(PTHREAD_MUTEX_RECURSIVE);
  volatile long plain = 0;
  compare(
      "array add / robust mutex", 1'000'000,
      [&](int n) {
        for (int i = 0; i < n; ++i) array.add(1, 1);
      },
      [&](int n) {
        for (int i = 0; i < n; ++i) {
          ::pthread_mutex_lock(recursive);
          plain = plain + 1;
          ::pthread_mutex_unlock(recursive);
        }
      });

  tine::RLock lock;
  auto* robust = robust_mutex(PTHREAD_MUTEX_NORMAL);
  compare(
      "rlock / robust mutex", 1'000'000,
      [&](int n) {
        for (int i = 0; i < n; ++i) {
          lock.acquire();
          lock.release();
        }
      },
      [&](int n) {
        for (int i = 0; i < n; ++i) {
          ::pthread_mutex_lock(robust);
          ::pthread_mutex_unlock(robust);
        }
      });

  {
    tine::SharedDict dict;
    BareLmdb bare(std::string(scratch) + "/bare");
    compare(
        "dict set / LMDB", 20'000,
        [&](int n) {
          for (int i = 0; i < n; ++i) dict.set("key" + std::to_string(i % 1000), i);
        },
        [&](int n) {
          for (int i = 0; i < n; ++i) bare.put(i);
        });
    long sum = 0;
    compare(
        "dict get / LMDB", 200'000,
        [&](int n) {
          for (int i = 0; i < n; ++i) sum += dict.get("key" + std::to_string(i % 1000)).get<int>();
        },
        [&](int n) {
          for (int i = 0; i < n; ++i) sum += bare.get(i);
        });
  }
  std::vector<double> rounds;
  for (int round = 0; round < 5; ++round) rounds.push_back(ns_each(200'000, queue_one_to_one));
  std::sort(rounds.begin(), rounds.end());
  std::printf("%-28s %9.1f ns\n", "queue 1 to 1, an item", rounds[2]);
  std::filesystem::remove_all(scratch);
}
