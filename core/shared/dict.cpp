#include "core/shared/dict.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>

#include "core/base/file.hpp"
#include "core/shared/dict_environment.hpp"
#include "core/shared/file_tree.hpp"

namespace tine::shared {
namespace {

constexpr std::size_t key_bytes_max = 500;
/// Two files and the header, as they are made: what a dictionary takes of the budget at first.
constexpr std::uint64_t bytes_at_first = (1u << 20) + (260u << 10) + 4096;
constexpr char anonymous_prefix[] = "tine-dict.";

/// A key as bytes that memcmp sorts: 1 and the number, sign turned, big endian; or 2 and the string.
class KeyBytes {
 public:
  Status set(const Key& key) {
    if (const auto* text = std::get_if<std::string>(&key)) {
      if (text->size() > key_bytes_max)
        return make_error(Errc::usage, "a key of " + std::to_string(text->size()) +
                                           " bytes; allowed: at most " + std::to_string(key_bytes_max));
      bytes_[0] = '\2';
      size_ = 1 + text->copy(bytes_ + 1, key_bytes_max);
      return ok();
    }
    auto bits = static_cast<std::uint64_t>(std::get<std::int64_t>(key)) ^ (1ull << 63);
    bytes_[0] = '\1';
    for (int i = 8; i > 0; --i, bits >>= 8) bytes_[i] = static_cast<char>(bits & 255);
    size_ = 9;
    return ok();
  }
  MDB_val val() { return {size_, bytes_}; }

 private:
  char bytes_[1 + key_bytes_max];  // on the stack: most calls take less time than an allocation would add
  std::size_t size_ = 0;
};

std::optional<Key> decode_key(std::string_view bytes) {
  if (bytes.size() >= 1 && bytes[0] == '\2') return Key(std::string(bytes.substr(1)));
  if (bytes.size() != 9 || bytes[0] != '\1') return std::nullopt;
  std::uint64_t bits = 0;
  for (std::size_t i = 1; i < 9; ++i) bits = bits << 8 | static_cast<unsigned char>(bytes[i]);
  return Key(static_cast<std::int64_t>(bits ^ (1ull << 63)));
}

Result<std::string> encode_value(const Json& value) {
  // Most values are whole numbers, and the writer of all JSON costs more than the store.
  if (value.is_number_integer() && !value.is_number_unsigned())
    return std::to_string(value.get<std::int64_t>());
  if (value.is_number_unsigned()) return std::to_string(value.get<std::uint64_t>());
  try {
    return value.dump();
  } catch (const Json::exception&) {
    return make_error(Errc::usage, "a value is not UTF-8; allowed: JSON");
  }
}

/// nullopt: no JSON, so the file is damaged.
std::optional<Json> decode_value(std::string_view text) {
  const bool is_short_number =
      !text.empty() && text.size() < 19 && (text[0] == '-' || (text[0] >= '0' && text[0] <= '9'));
  if (is_short_number) {
    std::int64_t number = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && rest == text.data() + text.size()) {
      // As the parser of all JSON has it: unsigned unless negative.
      return text[0] == '-' ? Json(number) : Json(static_cast<std::uint64_t>(number));
    }
  }
  auto value = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) return std::nullopt;
  return value;
}

MDB_val to_val(std::string_view bytes) { return {bytes.size(), const_cast<char*>(bytes.data())}; }
std::string_view to_view(const MDB_val& val) { return {static_cast<const char*>(val.mv_data), val.mv_size}; }

Result<Json> sum_of(const Json& value, const Json& by) {
  if (!value.is_number() || !by.is_number())
    return make_error(Errc::usage,
                      (value.is_number() ? by : value).dump(-1, ' ', false, Json::error_handler_t::replace) +
                          " is no number; allowed: incr of numbers");
  if (value.is_number_float() || by.is_number_float()) return Json(value.get<double>() + by.get<double>());
  const auto fits = [](const Json& number) {
    return !number.is_number_unsigned() ||
           number.get<std::uint64_t>() <= static_cast<std::uint64_t>(INT64_MAX);
  };
  std::int64_t sum = 0;
  if (!fits(value) || !fits(by) ||
      __builtin_add_overflow(value.get<std::int64_t>(), by.get<std::int64_t>(), &sum))
    return make_error(Errc::usage, value.dump() + " + " + by.dump() + " does not fit; allowed: " +
                                       std::to_string(INT64_MIN) + " to " + std::to_string(INT64_MAX));
  return Json(sum);
}

std::string temporary_folder() {
  const char* named = ::getenv("TMPDIR");
  return named && named[0] == '/' ? named : "/tmp";
}

bool is_in_use(const std::string& folder) {
  const UniqueFd fd(::open((folder + "/header").c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  return fd && ::flock(fd.get(), LOCK_EX | LOCK_NB) < 0;
}

/// What anonymous dictionaries of killed processes left.
void sweep_anonymous(const std::string& base) {
  for (const auto& name : names_in(base)) {
    if (!name.starts_with(anonymous_prefix)) continue;
    const Owner maker = ::strtoull(name.c_str() + sizeof anonymous_prefix - 1, nullptr, 16);
    struct stat info {};
    const auto path = base + "/" + name;
    if (::lstat(path.c_str(), &info) == 0 && info.st_uid == ::geteuid() && S_ISDIR(info.st_mode) &&
        !is_alive(maker) && !is_in_use(path))
      remove_tree(path);
  }
}

/// The files of a dictionary, in a folder that nobody else knows yet.
Status make_files(const std::string& folder) {
  if (auto made = DictEnvironment::make(folder); !made) return made;
  const auto header = Segment::create(folder + "/header", Kind::dict, {4096, 0}, {});
  return header ? ok() : Status(header.error());
}

}  // namespace

/// What the copies of a handle share.
struct Dict::Home {
  std::shared_ptr<Segment> header;
  std::string folder;
  std::optional<Folder> budget;
  std::shared_ptr<DictEnvironment> held;
  std::atomic<DictEnvironment*> current{nullptr};
  Owner removes_it = 0;  ///< the process whose anonymous dictionary this is

  ~Home() {
    held.reset();
    if (removes_it && removes_it == this_process()) remove_tree(folder);
  }
};

Result<Dict> Dict::enter(std::shared_ptr<Segment> header, std::string folder, std::optional<Folder> budget) {
  Dict dict(std::make_shared<Home>());
  dict.home_->header = std::move(header);
  dict.home_->folder = std::move(folder);
  dict.home_->budget = std::move(budget);
  if (auto opened = dict.environment(); !opened) return opened.error();
  return dict;
}

Result<Dict> Dict::open(const Folder& folder, const std::string& name) {
  auto header = folder.attach(Kind::dict, name);
  if (!header) return header.error();
  return enter(std::move(*header), *folder.path(Kind::dict, name), folder);
}

Result<Dict> Dict::open_or_create(const Folder& folder, const std::string& name) {
  for (;;) {
    auto there = open(folder, name);
    if (there || there.error().code != Errc::absent) return there;
    const auto place = folder.path(Kind::dict, name);
    if (!place) return place.error();
    const auto beside = unfinished_path(folder.path());
    const auto made = folder.within_budget(bytes_at_first, [&]() -> Status {
      if (::mkdir(beside.c_str(), 0700) < 0) return creation_error(errno_error("create " + beside));
      auto files = make_files(beside);
      // Of several one is first, and the others use that one: a folder that is not empty is not replaced.
      if (files && ::rename(beside.c_str(), place->c_str()) < 0 && errno != ENOTEMPTY && errno != EEXIST)
        files = creation_error(errno_error("create " + *place));
      remove_tree(beside);
      return files;
    });
    if (!made) return made.error();
  }
}

Result<Dict> Dict::anonymous() {
  const auto base = temporary_folder();
  sweep_anonymous(base);
  char name[64];
  std::snprintf(name, sizeof name, "/%s%llx.XXXXXX", anonymous_prefix,
                static_cast<unsigned long long>(this_process()));
  std::string folder = base + name;
  if (::mkdtemp(folder.data()) == nullptr) return creation_error(errno_error("create " + folder));
  auto made = make_files(folder);
  auto header =
      made ? Segment::attach(folder + "/header", Kind::dict) : Result<std::shared_ptr<Segment>>(made.error());
  auto dict = header ? enter(std::move(*header), folder, std::nullopt) : Result<Dict>(header.error());
  if (!dict) return remove_tree(folder), dict;
  dict->home_->removes_it = this_process();
  return dict;
}

Result<DictEnvironment*> Dict::environment() {
  auto* known = home_->current.load(std::memory_order_acquire);
  if (known == nullptr || !known->is_of_this_process()) {
    auto opened = DictEnvironment::open(home_->folder, home_->budget, home_->held);
    if (!opened) return opened;
    home_->current.store(known = *opened, std::memory_order_release);
  }
  if (auto good = home_->header->check(); !good) return good.error();
  return known;
}

template <class Body>
Status Dict::read(const Body& body) {
  auto known = environment();
  if (!known) return known.error();
  return (*known)->read(body);
}

template <class Body>
Status Dict::write(const Body& body) {
  auto known = environment();
  if (!known) return known.error();
  return (*known)->write(body);
}

Error Dict::damaged() {
  home_->header->poison(Poison::structure);
  return home_->header->check().error();
}

Status Dict::set(const Key& key, const Json& value) {
  KeyBytes name;
  if (auto fits = name.set(key); !fits) return fits.error();
  const auto text = encode_value(value);
  if (!text) return text.error();
  return write([&](MDB_txn* transaction, MDB_dbi dbi) {
    auto k = name.val();
    auto v = to_val(*text);
    return ::mdb_put(transaction, dbi, &k, &v, 0);
  });
}

Result<std::optional<Json>> Dict::find(const Key& key) {
  KeyBytes name;
  if (auto fits = name.set(key); !fits) return fits.error();
  std::optional<Json> value;
  bool is_there = false;
  const auto done = read([&](MDB_txn* transaction, MDB_dbi dbi) {
    auto k = name.val();
    MDB_val v{};
    const int code = ::mdb_get(transaction, dbi, &k, &v);
    if (code == MDB_SUCCESS) is_there = true, value = decode_value(to_view(v));
    return code;
  });
  if (!done) return done.error();
  if (is_there && !value) return damaged();
  return value;
}

Result<std::optional<Json>> Dict::pop(const Key& key) {
  KeyBytes name;
  if (auto fits = name.set(key); !fits) return fits.error();
  std::optional<Json> value;
  bool is_damaged = false;
  const auto done = write([&](MDB_txn* transaction, MDB_dbi dbi) {
    auto k = name.val();
    MDB_val v{};
    value.reset();
    if (const int code = ::mdb_get(transaction, dbi, &k, &v)) return code;
    value = decode_value(to_view(v));
    is_damaged = !value;
    return is_damaged ? MDB_NOTFOUND : ::mdb_del(transaction, dbi, &k, nullptr);
  });
  if (!done) return done.error();
  if (is_damaged) return damaged();
  return value;
}

Result<bool> Dict::erase(const Key& key) {
  KeyBytes name;
  if (auto fits = name.set(key); !fits) return fits.error();
  bool was_there = false;
  const auto done = write([&](MDB_txn* transaction, MDB_dbi dbi) {
    auto k = name.val();
    const int code = ::mdb_del(transaction, dbi, &k, nullptr);
    was_there = code == MDB_SUCCESS;
    return code;
  });
  if (!done) return done.error();
  return was_there;
}

Result<Json> Dict::incr(const Key& key, const Json& by) {
  KeyBytes name;
  if (auto fits = name.set(key); !fits) return fits.error();
  Result<Json> sum = Json(0);
  const auto done = write([&](MDB_txn* transaction, MDB_dbi dbi) {
    auto k = name.val();
    MDB_val v{};
    const int code = ::mdb_get(transaction, dbi, &k, &v);
    if (code && code != MDB_NOTFOUND) return code;
    const auto value = code ? std::optional<Json>(0) : decode_value(to_view(v));
    sum = value ? sum_of(*value, by) : Result<Json>(damaged());
    const auto text = sum ? encode_value(*sum) : Result<std::string>(sum.error());
    if (!text) return MDB_NOTFOUND;  // nothing is changed
    auto next = to_val(*text);
    return ::mdb_put(transaction, dbi, &k, &next, 0);
  });
  if (!done) return done.error();
  return sum;
}

Result<bool> Dict::cas(const Key& key, const Json& expected, const Json& next) {
  KeyBytes name;
  if (auto fits = name.set(key); !fits) return fits.error();
  const auto text = encode_value(next);
  if (!text) return text.error();
  bool matched = false, is_damaged = false;
  const auto done = write([&](MDB_txn* transaction, MDB_dbi dbi) {
    auto k = name.val();
    MDB_val v{};
    matched = false;
    if (const int code = ::mdb_get(transaction, dbi, &k, &v)) return code;
    const auto value = decode_value(to_view(v));
    is_damaged = !value;
    matched = value && *value == expected;
    if (!matched) return MDB_NOTFOUND;
    auto put = to_val(*text);
    return ::mdb_put(transaction, dbi, &k, &put, 0);
  });
  if (!done) return done.error();
  if (is_damaged) return damaged();
  return matched;
}

Status Dict::clear() {
  return write([](MDB_txn* transaction, MDB_dbi dbi) { return ::mdb_drop(transaction, dbi, 0); });
}

Result<std::uint64_t> Dict::size() {
  std::uint64_t size = 0;
  const auto done = read([&](MDB_txn* transaction, MDB_dbi dbi) {
    MDB_stat stat{};
    const int code = ::mdb_stat(transaction, dbi, &stat);
    size = stat.ms_entries;
    return code;
  });
  if (!done) return done.error();
  return size;
}

/// All of one snapshot, in order. `visit` returns false for what is damaged.
Status Dict::walk(const std::function<bool(std::string_view key, std::string_view value)>& visit) {
  bool is_damaged = false;
  const auto done = read([&](MDB_txn* transaction, MDB_dbi dbi) {
    MDB_cursor* cursor = nullptr;
    if (const int code = ::mdb_cursor_open(transaction, dbi, &cursor)) return code;
    MDB_val key{}, value{};
    int code = MDB_SUCCESS;
    while (!is_damaged && (code = ::mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == MDB_SUCCESS)
      is_damaged = !visit(to_view(key), to_view(value));
    ::mdb_cursor_close(cursor);
    return code;
  });
  if (!done) return done;
  return is_damaged ? Status(damaged()) : ok();
}

Result<std::vector<Dict::Item>> Dict::items() {
  std::vector<Item> items;
  const auto walked = walk([&](std::string_view name, std::string_view text) {
    auto key = decode_key(name);
    auto value = decode_value(text);
    if (key && value) items.push_back({std::move(*key), std::move(*value)});
    return key && value;
  });
  if (!walked) return walked.error();
  return items;
}

Result<std::vector<Key>> Dict::keys() {
  std::vector<Key> keys;
  const auto walked = walk([&](std::string_view name, std::string_view) {
    auto key = decode_key(name);
    if (key) keys.push_back(std::move(*key));
    return key.has_value();
  });
  if (!walked) return walked.error();
  return keys;
}

Status Dict::verify() {
  return walk(
      [](std::string_view name, std::string_view text) { return decode_key(name) && decode_value(text); });
}

void Dict::clear_dead_readers() {
  if (auto known = environment()) (*known)->clear_dead_readers();
}

}  // namespace tine::shared
