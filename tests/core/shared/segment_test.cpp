#include "core/shared/segment.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "core/base/file.hpp"
#include "core/shared/array.hpp"
#include "core/shared/dict.hpp"
#include "core/shared/queue.hpp"
#include "core/shared/rlock.hpp"
#include "tests/support/child.hpp"

namespace tine::shared {
namespace {

namespace fs = std::filesystem;
using test::Child;

struct Shared {
  test::StateDir state;
  Folder folder = *Folder::open(state.path());
  std::string path(const std::string& file) const { return folder.path() + "/" + file; }
  void change_header(const std::string& file, std::size_t offset, char byte) const {
    std::fstream stream(path(file), std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(static_cast<std::streamoff>(offset));
    stream.put(byte);
  }
};

mode_t mode_of(const std::string& path) {
  struct stat info {};
  REQUIRE(::lstat(path.c_str(), &info) == 0);
  return info.st_mode & 07777;
}

TEST_CASE("segment: folder 0700 and files 0600, whatever the umask") {
  const auto before = ::umask(0);
  const Shared shared;
  REQUIRE(Array::create(shared.folder, "a", 'i', 4));
  ::umask(before);
  CHECK(mode_of(shared.folder.path()) == 0700);
  CHECK(mode_of(shared.path("a.array")) == 0600);
}

TEST_CASE("segment: all of its bytes are reserved when it is made") {
  const Shared shared;
  REQUIRE(Array::create(shared.folder, "a", 'd', 100'000));
  struct stat info {};
  REQUIRE(::stat(shared.path("a.array").c_str(), &info) == 0);
  CHECK(info.st_blocks * 512 >= 800'000);
}

TEST_CASE("segment: what is truncated, foreign, of another version or a link is an error, never a signal") {
  const Shared shared;
  const auto fresh = [&] {
    (void)shared.folder.remove(Kind::array, "a");
    REQUIRE(Array::create(shared.folder, "a", 'i', 5000));
  };
  const auto refused = [&](Errc code) {
    const auto array = Array::open(shared.folder, "a");
    return !array && array.error().code == code;
  };
  for (const std::uintmax_t bytes : {0, 1, 200, 512, 5000}) {
    fresh();
    fs::resize_file(shared.path("a.array"), bytes);
    CHECK(refused(Errc::io));
  }
  fresh();
  shared.change_header("a.array", offsetof(SegmentHeader, magic), 'x');
  CHECK(refused(Errc::io));
  fresh();
  shared.change_header("a.array", offsetof(SegmentHeader, version), 99);
  CHECK(refused(Errc::io));
  CHECK(Array::open(shared.folder, "a").error().message().find("another version") != std::string::npos);
  fresh();
  shared.change_header("a.array", offsetof(SegmentHeader, layout_hash), 99);
  CHECK(refused(Errc::io));
  fresh();
  shared.change_header("a.array", header_bytes + offsetof(ArrayRecord, count) + 5, 99);
  CHECK(refused(Errc::io));
  CHECK(Array::open(shared.folder, "a").error().message().find("poisoned") != std::string::npos);
  fresh();
  fs::rename(shared.path("a.array"), shared.path("elsewhere"));
  fs::create_symlink("elsewhere", shared.path("a.array"));
  CHECK(refused(Errc::not_permitted));
  CHECK(shared.folder.remove(Kind::array, "a"));
  fs::create_directory(shared.path("a.array"));
  CHECK_FALSE(Array::open(shared.folder, "a"));
  fs::remove(shared.path("a.array"));
  fs::rename(shared.path("elsewhere"), shared.path("a.queue"));
  CHECK((Queue::open(shared.folder, "a").error().code == Errc::io));
}

TEST_CASE("segment: another uid's is refused") {
  if (::geteuid() != 0) return;
  const Shared shared;
  REQUIRE(Array::create(shared.folder, "a", 'i', 5));
  REQUIRE(::chown(shared.path("a.array").c_str(), 12345, 12345) == 0);
  CHECK((Array::open(shared.folder, "a").error().code == Errc::not_permitted));
  REQUIRE(::chown(shared.folder.path().c_str(), 12345, 12345) == 0);
  CHECK((Folder::open(shared.state.path()).error().code == Errc::not_permitted));
}

TEST_CASE("segment: what another boot left is dropped, and told") {
  const Shared shared;
  REQUIRE(Array::create(shared.folder, "a", 'i', 5));
  REQUIRE(Dict::open_or_create(shared.folder, "d")->set("k", 1));
  shared.change_header("a.array", offsetof(SegmentHeader, boot_id), '#');
  shared.change_header("d.dict/header", offsetof(SegmentHeader, boot_id), '#');
  SUBCASE("by the daemon") {
    CHECK(shared.folder.drop_stale() == std::vector<std::string>{"array a", "dict d"});
    CHECK(shared.folder.names(Kind::array).empty());
  }
  SUBCASE("by who wants to use it") {
    CHECK((Array::open(shared.folder, "a").error().code == Errc::absent));
    CHECK(Array::create(shared.folder, "a", 'd', 5));
    CHECK(*Dict::open_or_create(shared.folder, "d")->size() == 0);
  }
}

TEST_CASE("segment: another PID namespace is kept out while it is in use, and takes over what nobody has") {
  if (::geteuid() != 0) return;
  const Shared shared;
  const auto in_namespace = [&] {
    Child outer([&] {
      if (::unshare(CLONE_NEWPID | CLONE_NEWNS) < 0) return 50;
      ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
      Child inner([&] {
        ::mount("proc", "/proc", "proc", 0, nullptr);
        const auto array = Array::open(shared.folder, "a");
        return array ? 0 : array.error().code == Errc::not_permitted ? 77 : 1;
      });
      return inner.wait();
    });
    return outer.wait();
  };
  {
    auto array = Array::create(shared.folder, "a", 'i', 5);
    REQUIRE(array);
    const int code = in_namespace();
    if (code == 50) return;  // no namespaces here
    CHECK(code == 77);
  }
  CHECK(in_namespace() == 0);
  CHECK(Array::open(shared.folder, "a"));
}

TEST_CASE("segment: of many that make one of a name, one does, and it is whole") {
  const Shared shared;
  std::vector<std::unique_ptr<Child>> children;
  for (int i = 0; i < 8; ++i) {
    children.push_back(std::make_unique<Child>([&] {
      auto queue = Queue::open_or_create(shared.folder, "q");
      auto dict = Dict::open_or_create(shared.folder, "d");
      return queue && dict && queue->put({"1"}) && dict->incr("n", 1) ? 0 : 1;
    }));
  }
  for (auto& child : children) CHECK(child->wait() == 0);
  CHECK(*Queue::open(shared.folder, "q")->size() == 8);
  CHECK(Dict::open(shared.folder, "d")->find("n")->value() == 8);
}

TEST_CASE("segment: a creator killed at any step leaves nothing of that name, or all of it") {
  for (int n = 1;; ++n) {
    const Shared shared;
    const bool killed = test::killed_at_step(n, [&] {
      (void)Queue::create(shared.folder, "q", 5);
      (void)Dict::open_or_create(shared.folder, "d");
    });
    auto queue = Queue::open_or_create(shared.folder, "q");
    REQUIRE(queue);
    CHECK(queue->put({"1"}));
    CHECK(Dict::open_or_create(shared.folder, "d")->set("k", 1));
    (void)shared.folder.drop_stale();
    for (const auto& entry : fs::directory_iterator(shared.folder.path()))
      CHECK_FALSE(entry.path().filename().string().starts_with(".new."));
    if (!killed) break;
  }
}

TEST_CASE("segment: names are any bytes, up to a length") {
  const Shared shared;
  for (const auto& name : std::vector<std::string>{"a/b", "..", ".hidden", "ü %41", std::string(200, 'x')}) {
    CHECK(Array::create(shared.folder, name, 'i', 1));
    CHECK(Array::open(shared.folder, name));
  }
  CHECK(shared.folder.names(Kind::array).size() == 5);
  CHECK((Array::create(shared.folder, "", 'i', 1).error().code == Errc::usage));
  CHECK((Array::create(shared.folder, std::string(201, 'x'), 'i', 1).error().code == Errc::usage));
}

TEST_CASE("segment: the budget bounds all of them together") {
  const Shared shared;
  shared.folder.set_budget(4u << 20);
  CHECK(Array::create(shared.folder, "a", 'B', 2u << 20));
  const auto second = Array::create(shared.folder, "b", 'B', 3u << 20);
  REQUIRE_FALSE(second);
  CHECK((second.error().code == Errc::cannot_create));
  CHECK(second.error().message().find("shared_memory_bytes") != std::string::npos);

  auto queue = Queue::create(shared.folder, "q", 0);
  REQUIRE(queue);
  Status put = ok();
  int items = 0;
  while ((put = queue->put({std::string(100'000, 'x')}))) ++items;
  CHECK((put.error().code == Errc::cannot_create));
  CHECK(items > 5);
  CHECK(*queue->size() == static_cast<std::uint64_t>(items));
  CHECK(shared.folder.used() <= 4u << 20);
  CHECK(queue->get());
  CHECK(queue->put({"fits"}));

  auto other = Dict::open_or_create(shared.folder, "d");
  CHECK((other.error().code == Errc::cannot_create));
}

/// Runs `body` with the state dir on a tmpfs of `bytes`. False: it may not be mounted here.
bool on_small_tmpfs(const char* options, const std::function<int(const Folder&)>& body) {
  if (::geteuid() != 0) return false;
  const test::StateDir state;
  Child child([&] {
    if (::unshare(CLONE_NEWNS) < 0) return 50;
    ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
    if (::mount("tmpfs", state.path().c_str(), "tmpfs", 0, options) < 0) return 50;
    const auto folder = Folder::open(state.path());
    return folder ? body(*folder) : 51;
  });
  const int code = child.wait();
  CHECK((code == 0 || code == 50));
  return code == 0;
}

bool is_full(const Error& error) { return exit_code_of(error) == 73; }

TEST_CASE("segment: a full tmpfs is an error for arrays and queues, and what is there stays whole") {
  on_small_tmpfs("size=4m", [](const Folder& folder) {
    auto array = Array::create(folder, "a", 'B', 1u << 20);
    if (!array) return 1;
    const auto large = Array::create(folder, "b", 'B', 8u << 20);
    if (large || !is_full(large.error())) return 2;
    auto queue = Queue::create(folder, "q", 0);
    if (!queue) return 3;
    Status put = ok();
    std::uint64_t items = 0;
    while ((put = queue->put({std::string(50'000, 'x'), std::string(50'000, 'y')}))) items += 2;
    if (!is_full(put.error())) return 4;
    for (std::uint64_t i = 0; i < items; ++i) {
      const auto value = queue->get();
      if (!value || *value != std::string(50'000, i % 2 ? 'y' : 'x')) return 5;
    }
    for (std::uint64_t i = 0; i < array->size(); ++i)
      if (!array->set(i, Element(std::uint64_t{255}))) return 6;
    return 0;
  });
}

TEST_CASE("segment: a full tmpfs is an error for dictionaries, LMDB's files included") {
  on_small_tmpfs("size=4m", [](const Folder& folder) {
    auto dict = Dict::open_or_create(folder, "d");
    if (!dict) return 1;
    Status set = ok();
    int items = 0;
    while ((set = dict->set(items, std::string(10'000, 'x')))) ++items;
    if (!is_full(set.error())) return 2;
    if (items < 50) return 3;
    for (int i = 0; i < items; ++i)
      if (dict->find(i)->value() != std::string(10'000, 'x')) return 4;
    if (!dict->verify()) return 5;
    // Room that is freed can be used.
    for (int i = 0; i < 20; ++i)
      if (!dict->erase(i)) return 6;
    return dict->set("again", std::string(10'000, 'x')) ? 0 : 7;
  });
  // So small that not even the files fit, at each size.
  for (const char* options : {"size=4k", "size=64k", "size=256k", "size=300k", "size=900k", "size=1300k"}) {
    on_small_tmpfs(options, [](const Folder& folder) {
      auto dict = Dict::open_or_create(folder, "d");
      if (dict) return dict->set("k", 1) && dict->find("k")->value() == 1 ? 0 : 1;
      return is_full(dict.error()) ? 0 : 2;
    });
  }
}

TEST_CASE("segment: no inode left is an error") {
  on_small_tmpfs("size=4m,nr_inodes=4", [](const Folder& folder) {
    for (int i = 0; i < 5; ++i) {
      const auto lock = RLock::open_or_create(folder, "l" + std::to_string(i));
      if (!lock) return is_full(lock.error()) ? 0 : 1;
    }
    return 2;
  });
}

}  // namespace
}  // namespace tine::shared
