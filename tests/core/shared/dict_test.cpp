#include "core/shared/dict.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <thread>

#include "core/shared/array.hpp"
#include "core/shared/dict_environment.hpp"
#include "core/shared/step.hpp"
#include "tests/support/child.hpp"
#include "tests/support/eventually.hpp"

using namespace std::chrono_literals;

namespace tine::shared {
namespace {

using test::Child;
using test::eventually;

struct Named {
  test::StateDir state;
  Folder folder = *Folder::open(state.path());
  Dict dict = *Dict::open_or_create(folder, "d");
};

TEST_CASE("dict: keys are sorted, whole numbers first by their value, and 1 is not \"1\"") {
  Named named;
  for (const auto& key : std::vector<Key>{"b", 10, "1", -1, "", 1, 2, INT64_MIN, "a", INT64_MAX, -10, "B"})
    REQUIRE(named.dict.set(key, 0));
  const std::vector<Key> sorted{INT64_MIN, -10, -1, 1, 2, 10, INT64_MAX, "", "1", "B", "a", "b"};
  CHECK(*named.dict.keys() == sorted);
}

TEST_CASE("dict: a key has at most 500 bytes") {
  Named named;
  CHECK(named.dict.set(std::string(500, 'k'), 1));
  CHECK(named.dict.find(std::string(500, 'k'))->value() == 1);
  CHECK((named.dict.set(std::string(501, 'k'), 1).error().code == Errc::usage));
}

TEST_CASE("dict: every JSON value reads back as it was") {
  Named named;
  const auto values = std::vector<Json>{nullptr,
                                        true,
                                        0,
                                        -1,
                                        1.5,
                                        INT64_MIN,
                                        UINT64_MAX,
                                        "",
                                        "text",
                                        "\"quoted\"\n",
                                        "ä",
                                        Json::array(),
                                        {{"a", {1, {{"b", nullptr}}}}},
                                        123456789012345678,
                                        1e300};
  for (const auto& value : values) {
    REQUIRE(named.dict.set("k", value));
    const auto found = named.dict.find("k")->value();
    CHECK(found == value);
    CHECK(found.dump() == value.dump());
  }
  CHECK((named.dict.set("k", "\xff").error().code == Errc::usage));
}

TEST_CASE("dict: incr counts from 0, refuses what is no number and what does not fit") {
  Named named;
  CHECK(*named.dict.incr("n", 5) == 5);
  CHECK(*named.dict.incr("n", -7) == -2);
  CHECK(*named.dict.incr("n", 0.5) == -1.5);
  REQUIRE(named.dict.set("s", "text"));
  CHECK((named.dict.incr("s", 1).error().code == Errc::usage));
  REQUIRE(named.dict.set("n", INT64_MAX));
  CHECK((named.dict.incr("n", 1).error().code == Errc::usage));
  CHECK(named.dict.find("n")->value() == INT64_MAX);
}

TEST_CASE("dict: it grows far past its first size, in every process that has it open") {
  Named named;
  const std::string large(5000, 'x');
  auto ready = *Array::anonymous('i', 2);
  Child reader([&] {
    if (named.dict.find("absent")->has_value()) return 1;
    (void)ready.set(0, Element(std::int64_t{1}));
    if (!eventually([&] { return std::get<std::int64_t>(*ready.get(1)) == 1; })) return 2;
    for (int i = 0; i < 2000; ++i)
      if (named.dict.find(i)->value() != large) return 3;
    return named.dict.set("from the child", 1) ? 0 : 4;
  });
  REQUIRE(eventually([&] { return std::get<std::int64_t>(*ready.get(0)) == 1; }));
  for (int i = 0; i < 2000; ++i) REQUIRE(named.dict.set(i, large));
  (void)ready.set(1, Element(std::int64_t{1}));
  CHECK(reader.wait() == 0);
  CHECK(named.dict.find("from the child")->value() == 1);
  CHECK(*named.dict.size() == 2001);
  CHECK(named.dict.verify());
}

TEST_CASE("dict: many grow it at once, and who opens it meanwhile cuts nothing off") {
  Named named;
  const std::string large(4000, 'x');
  constexpr int each = 1500;
  const auto write_all = [&](int writer) {
    for (int i = 0; i < each; ++i)
      if (!named.dict.set(writer * each + i, large)) return 1;
    return 0;
  };
  Child first([&] { return write_all(0); }), second([&] { return write_all(1); });
  Child opener([&] {
    for (;;)
      if (auto opened = Dict::open(named.folder, "d"); !opened || !opened->set("opener", 1)) return 1;
    return 0;
  });
  CHECK(write_all(2) == 0);
  CHECK(first.wait() == 0);
  CHECK(second.wait() == 0);
  opener.send(SIGKILL);
  CHECK(opener.wait() == 1000 + SIGKILL);
  CHECK(*named.dict.size() == 3 * each + 1);
  CHECK(named.dict.verify());
}

TEST_CASE("dict: children that are forked while another thread grows it keep nobody waiting") {
  Named named;
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (int i = 0; i < 400; ++i) CHECK(named.dict.set(i, std::string(50'000, 'x')));
    done = true;
  });
  std::vector<pid_t> children;
  while (!done && children.size() < 200) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::pause();
      ::_exit(0);
    }
    children.push_back(child);
  }
  CHECK(eventually([&] { return done.load(); }));
  for (const pid_t child : children) ::kill(child, SIGKILL);
  for (const pid_t child : children) ::waitpid(child, nullptr, 0);
  writer.join();
  CHECK(*named.dict.size() == 400);
}

TEST_CASE("dict: a writer killed while it grows leaves it whole") {
  for (int round = 0; round < 40; ++round) {
    Named named;
    auto written = *Array::anonymous('l', 1);
    Child writer([&] {
      for (int i = 0;; ++i) {
        if (!named.dict.set(i, std::string(20'000, 'x'))) return 1;
        (void)written.set(0, Element(std::int64_t{i}));
      }
    });
    REQUIRE(eventually([&] { return std::get<std::int64_t>(*written.get(0)) > 30 * (round % 10); }));
    writer.send(SIGKILL);
    CHECK(writer.wait() == 1000 + SIGKILL);
    CHECK(*named.dict.size() > static_cast<std::uint64_t>(std::get<std::int64_t>(*written.get(0))));
    for (int i = 0; i < 200; ++i)
      REQUIRE(named.dict.set("more " + std::to_string(i), std::string(20'000, 'y')));
    CHECK(named.dict.verify());
  }
}

TEST_CASE("dict: iteration sees one snapshot, and waits for no writer") {
  Named named;
  for (int i = 0; i < 500; ++i) REQUIRE(named.dict.set(i, 0));
  Child writer([&] {
    for (int round = 1;; ++round) {
      for (int i = 0; i < 500; ++i) (void)named.dict.set(i, round);
    }
    return 0;
  });
  for (int i = 0; i < 100; ++i) {
    const auto items = *named.dict.items();
    REQUIRE(items.size() == 500);
    // The writer goes through in order: at any moment the values fall once, by one.
    int falls = 0;
    for (std::size_t k = 1; k < items.size(); ++k) falls += items[k].value != items[k - 1].value;
    CHECK(falls <= 1);
  }
}

TEST_CASE("dict: a writer killed at every step leaves the old value or the new one") {
  for (int n = 1;; ++n) {
    Named named;
    REQUIRE(named.dict.set("a", 1));
    const bool killed = test::killed_at_step(n, [&] { (void)named.dict.set("a", 2); });
    const auto value = named.dict.find("a")->value();
    CHECK((value == 1 || value == 2));
    CHECK(named.dict.set("b", 3));
    CHECK(named.dict.verify());
    if (!killed) break;
  }
}

TEST_CASE("dict: writers killed hundreds of times lose no incr that was told, and leave no lock") {
  Named named;
  auto told = *Array::anonymous('l', 1);
  constexpr int kills = 150;
  for (int round = 0; round < kills; ++round) {
    Child writer([&] {
      for (;;) {
        if (!named.dict.incr("n", 1)) return 1;
        (void)told.add(0, Element(std::int64_t{1}));
      }
    });
    const auto before = std::get<std::int64_t>(*told.get(0));
    REQUIRE(eventually([&] { return std::get<std::int64_t>(*told.get(0)) > before + round % 5; }));
    writer.send(SIGKILL);
    CHECK(writer.wait() == 1000 + SIGKILL);
  }
  const auto sum = named.dict.find("n")->value().get<std::int64_t>();
  const auto counted = std::get<std::int64_t>(*told.get(0));
  CHECK(counted > kills);
  CHECK(sum >= counted);
  CHECK(sum <= counted + kills);
  CHECK(named.dict.verify());
}

/// Lets `child`, which is stopped at a ptrace(2) stop, go on until `is_reached`, and then so many
/// instructions further.
void step_until(pid_t child, const std::function<bool()>& is_reached, int further) {
  int status = 0;
  while (!is_reached() || further-- > 0) {
    REQUIRE(::ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr) == 0);
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSTOPPED(status));
  }
}

TEST_CASE(
    "dict: a writer killed between two of the last instructions of its commit leaves the old state or the "
    "new") {
  Named named;
  REQUIRE(named.dict.incr("n", 1));
  const UniqueFd file(::open((named.folder.path() + "/d.dict/data.mdb").c_str(), O_RDONLY | O_CLOEXEC));
  REQUIRE(file);
  // The number of the newest commit: in the metas, which are the first two pages.
  const auto newest = [&] {
    std::uint64_t numbers[2] = {};
    for (const off_t page : {0, 1})
      REQUIRE(::pread(file.get(), &numbers[page], sizeof numbers[page], page * 4096 + 144) ==
              sizeof numbers[page]);
    return std::max(numbers[0], numbers[1]);
  };
  for (int further = 0; further < 12; ++further) {
    CAPTURE(further);
    const auto before = named.dict.find("n")->value().get<std::int64_t>();
    {
      Child writer([&] {
        (void)named.dict.set("other", further);  // so that its environment is open
        if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) < 0) return 3;
        ::raise(SIGSTOP);
        return named.dict.incr("n", 1) ? 0 : 1;
      });
      int status = 0;
      REQUIRE(::waitpid(writer.pid(), &status, 0) == writer.pid());
      REQUIRE(WIFSTOPPED(status));
      const auto last = newest();
      step_until(
          writer.pid(), [&] { return newest() > last; }, further);
      writer.send(SIGKILL);
    }
    // By a process that opens it, and then by this one, which has it open.
    CHECK(Child([&] {
            const auto now = named.dict.find("n")->value().get<std::int64_t>();
            return now == before || now == before + 1 ? 0 : 1;
          }).wait() == 0);
    // It shows with the next write, which finds the dead writer's lock, at the latest.
    const auto after = named.dict.incr("n", 1)->get<std::int64_t>();
    CHECK((after == before + 1 || after == before + 2));
    for (int i = 1; i <= 20; ++i) {
      REQUIRE(*named.dict.incr("n", 1) == after + i);
      REQUIRE(named.dict.set("other", std::string(static_cast<std::size_t>(i * 100), 'x')));
    }
    REQUIRE(named.dict.verify());
  }
}

TEST_CASE("dict: a reader killed in its snapshot does not make it grow") {
  Named named;
  REQUIRE(named.dict.set("k", std::string(100'000, 'a')));
  for (int i = 0; i < 50; ++i) {
    Child reader([&] {
      std::shared_ptr<DictEnvironment> place;
      auto known = DictEnvironment::open(named.folder.path() + "/d.dict", named.folder, place);
      (void)(*known)->read([](MDB_txn*, MDB_dbi) { return ::kill(::getpid(), SIGKILL); });
      return 1;
    });
    CHECK(reader.wait() == 1000 + SIGKILL);
    for (int k = 0; k < 10; ++k) REQUIRE(named.dict.set("k", std::string(100'000, 'b')));
  }
  CHECK(named.folder.used() < 4u << 20);
}

TEST_CASE("dict: a stopped reader keeps nobody waiting") {
  Named named;
  REQUIRE(named.dict.set("k", 1));
  Child reader([&] {
    std::shared_ptr<DictEnvironment> place;
    auto known = DictEnvironment::open(named.folder.path() + "/d.dict", named.folder, place);
    int seen = 0;
    (void)(*known)->read([&](MDB_txn* transaction, MDB_dbi dbi) {
      ::raise(SIGSTOP);
      MDB_val key{2, const_cast<char*>("\2k")}, value{};
      seen = ::mdb_get(transaction, dbi, &key, &value) == 0 ? *static_cast<char*>(value.mv_data) : 0;
      return 0;
    });
    return seen == '1' ? 0 : 1;
  });
  int status = 0;
  ::waitpid(reader.pid(), &status, WUNTRACED);
  for (int i = 0; i < 1000; ++i) REQUIRE(named.dict.set("k", 2));
  reader.send(SIGCONT);
  CHECK(reader.wait() == 0);
}

TEST_CASE("dict: one handle serves many threads") {
  Named named;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 300; ++i) {
        (void)named.dict.incr("n", 1);
        (void)named.dict.set(t * 1000 + i, std::string(500, 'x'));
        (void)named.dict.find(t * 1000 + i / 2);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(named.dict.find("n")->value() == 1200);
  CHECK(*named.dict.size() == 1201);
}

TEST_CASE("dict: children and theirs use a handle that was made before the forks") {
  Named named;
  REQUIRE(named.dict.set("k", 0));
  Child child([&] {
    if (!named.dict.incr("k", 1)) return 1;
    Child grandchild([&] { return named.dict.incr("k", 1) ? 0 : 1; });
    return grandchild.wait() == 0 && named.dict.incr("k", 1) ? 0 : 2;
  });
  CHECK(child.wait() == 0);
  CHECK(named.dict.find("k")->value() == 3);
}

TEST_CASE("dict: one that was removed and made anew is a new one") {
  Named named;
  REQUIRE(named.dict.set("k", 1));
  REQUIRE(named.folder.remove(Kind::dict, "d"));
  CHECK((Dict::open(named.folder, "d").error().code == Errc::absent));
  auto anew = *Dict::open_or_create(named.folder, "d");
  CHECK(*anew.size() == 0);
}

TEST_CASE("dict: an anonymous one is gone when its maker ends, and swept when that was killed") {
  const test::StateDir scratch;
  ::setenv("TMPDIR", scratch.path().c_str(), 1);
  const auto left = [&] {
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(scratch.path()))
      count += entry.is_directory();
    return count;
  };
  {
    auto dict = *Dict::anonymous();
    CHECK(left() == 1);
    Child child([&] { return dict.set("k", 1) ? 0 : 1; });
    CHECK(child.wait() == 0);
    CHECK(left() == 1);
    CHECK(dict.find("k")->value() == 1);
  }
  CHECK(left() == 0);
  Child maker([] {
    auto dict = Dict::anonymous();
    return ::kill(::getpid(), SIGKILL);
  });
  maker.wait();
  CHECK(left() == 1);
  { auto next = *Dict::anonymous(); }
  CHECK(left() == 0);
  ::unsetenv("TMPDIR");
}

TEST_CASE("dict: damaged files are an error") {
  Named named;
  REQUIRE(named.dict.set("k", 1));
  {
    std::shared_ptr<DictEnvironment> place;
    auto known = DictEnvironment::open(named.folder.path() + "/d.dict", named.folder, place);
    REQUIRE((*known)->write([](MDB_txn* transaction, MDB_dbi dbi) {
      MDB_val key{2, const_cast<char*>("\2k")}, value{3, const_cast<char*>("{no")};
      return ::mdb_put(transaction, dbi, &key, &value, 0);
    }));
  }
  CHECK_FALSE(named.dict.verify());
  CHECK(exit_code_of(named.dict.find("k").error()) == 74);
  CHECK(Dict::open(named.folder, "d").error().message().find("poisoned") != std::string::npos);
}

TEST_CASE("dict: a data file that is no LMDB's is an error") {
  test::StateDir state;
  const auto folder = *Folder::open(state.path());
  { auto dict = *Dict::open_or_create(folder, "d"); }
  std::filesystem::resize_file(folder.path() + "/d.dict/data.mdb", 100);
  const auto truncated = Dict::open(folder, "d");
  REQUIRE_FALSE(truncated);
  CHECK(exit_code_of(truncated.error()) == 74);
}

}  // namespace
}  // namespace tine::shared
