#include "core/shared/folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>

#include "core/base/file.hpp"
#include "core/base/state_folder.hpp"
#include "core/shared/file_tree.hpp"

namespace tine::shared {
namespace {

constexpr std::size_t encoded_name_bytes_max = 200;

std::string suffix(Kind kind) { return std::string(".") + kind_name(kind); }

bool is_plain(unsigned char c) { return std::isalnum(c) || c == '_' || c == '-'; }

std::string encode(const std::string& name) {
  constexpr char digits[] = "0123456789ABCDEF";
  std::string text;
  for (const unsigned char c : name) {
    if (is_plain(c)) {
      text += static_cast<char>(c);
    } else {
      text += '%';
      text += digits[c >> 4];
      text += digits[c & 15];
    }
  }
  return text;
}

std::string decode(const std::string& text) {
  std::string name;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%' || i + 2 >= text.size()) {
      name += text[i];
    } else {
      name += static_cast<char>(std::strtoul(text.substr(i + 1, 2).c_str(), nullptr, 16));
      i += 2;
    }
  }
  return name;
}

/// A dictionary is a folder; what is checked on attach is its header.
std::string header_path(Kind kind, const std::string& path) {
  return kind == Kind::dict ? path + "/header" : path;
}

}  // namespace

Result<Folder> Folder::open(const std::string& state_dir) {
  const auto path = state_dir + "/shared";
  struct stat info {};
  // The usual case is one system call; the state dir itself is 0700 too.
  if (::lstat(path.c_str(), &info) < 0) {
    if (errno != ENOENT) return errno_error("open " + path);
    if (auto made = make_private_folder(state_dir); !made) return creation_error(made.error());
    if (auto made = make_private_folder(path); !made) return creation_error(made.error());
    if (::lstat(path.c_str(), &info) < 0) return errno_error("open " + path);
  }
  if (!S_ISDIR(info.st_mode)) return make_error(Errc::not_permitted, path + " is no folder");
  if (info.st_uid != ::geteuid())
    return make_error(Errc::not_permitted, path + " belongs to uid " + std::to_string(info.st_uid) +
                                               "; allowed: uid " + std::to_string(::geteuid()));
  if ((info.st_mode & 077) && ::chmod(path.c_str(), 0700) < 0) return errno_error("chmod " + path);
  return Folder(path);
}

Result<Folder> Folder::of_environment() {
  const auto state_dir = state_folder_of_socket("", "");
  if (!state_dir) return state_dir.error();
  return open(*state_dir);
}

Result<std::string> Folder::path(Kind kind, const std::string& name) const {
  const auto encoded = encode(name);
  if (name.empty()) return make_error(Errc::usage, "a name is empty; allowed: at least one character");
  if (encoded.size() > encoded_name_bytes_max)
    return make_error(Errc::usage,
                      "the name " + name.substr(0, 40) +
                          "… is too long; allowed: " + std::to_string(encoded_name_bytes_max) +
                          " bytes, those other than letters, digits, _ and - counted three times");
  return path_ + "/" + encoded + suffix(kind);
}

Folder::Hold::~Hold() {
  if (fd) ::flock(fd.get(), LOCK_UN);
}

Result<Folder::Hold> Folder::lock() const {
  const auto place = path_ + "/.lock";
  UniqueFd fd(::open(place.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return creation_error(errno_error("open " + place));
  while (::flock(fd.get(), LOCK_EX) < 0) {
    if (errno != EINTR) return errno_error("lock " + place);
  }
  return Hold(std::move(fd));
}

Status Folder::drop_if_stale(Kind kind, const std::string& place) const {
  // Under the lock, and looked at once more: another may have put a new one there meanwhile.
  const auto guard = lock();
  if (!guard) return guard.error();
  const auto again = Segment::attach(header_path(kind, place), kind);
  if (!again && again.error().code.value() == ESTALE) remove_tree(place);
  return ok();
}

Result<std::shared_ptr<Segment>> Folder::attach(Kind kind, const std::string& name) const {
  const auto place = path(kind, name);
  if (!place) return place.error();
  for (;;) {
    auto segment = Segment::attach(header_path(kind, *place), kind);
    if (segment) {
      if (auto good = (*segment)->check(); !good) return good.error();
      return segment;
    }
    const auto& error = segment.error();
    if (error.code == Errc::absent)
      return make_error(Errc::absent, name + ": no " + kind_name(kind) + " of this name");
    if (error.code != std::error_code(ESTALE, std::generic_category())) return error;
    if (auto dropped = drop_if_stale(kind, *place); !dropped) return dropped.error();
  }
}

Result<std::shared_ptr<Segment>> Folder::create(Kind kind, const std::string& name, Segment::Size size,
                                                const Segment::Fill& fill) const {
  const auto place = path(kind, name);
  if (!place) return place.error();
  // Another boot's must not be in the way.
  if (auto there = attach(kind, name); there)
    return make_error(Errc::cannot_create,
                      name + ": there is a " + kind_name(kind) + " of this name already");
  Result<std::shared_ptr<Segment>> segment = make_error(Errc::internal, "");
  const auto taken = within_budget(size.bytes, [&]() -> Status {
    segment = Segment::create(*place, kind, size, fill);
    return segment ? ok() : Status(segment.error());
  });
  if (!taken) return taken.error();
  return segment;
}

Result<std::shared_ptr<Segment>> Folder::attach_or_create(Kind kind, const std::string& name,
                                                          Segment::Size size,
                                                          const Segment::Fill& fill) const {
  for (;;) {
    auto there = attach(kind, name);
    if (there || there.error().code != Errc::absent) return there;
    auto made = create(kind, name, size, fill);
    if (made) return made;
    const auto place = path(kind, name);
    if (!place || ::access(header_path(kind, *place).c_str(), F_OK) < 0)
      return made;  // not for a rival's sake
  }
}

Status Folder::remove(Kind kind, const std::string& name) const {
  const auto place = path(kind, name);
  if (!place) return place.error();
  const auto guard = lock();
  if (!guard) return guard.error();
  struct stat info {};
  if (::lstat(place->c_str(), &info) < 0)
    return make_error(Errc::absent, name + ": no " + kind_name(kind) + " of this name");
  if (auto segment = Segment::attach(header_path(kind, *place), kind)) (*segment)->header().removed.store(1);
  if (kind != Kind::dict)
    return ::unlink(place->c_str()) == 0 ? ok() : Status(errno_error("remove " + *place));
  // Out of sight first: a dictionary is there with all of its files, or not at all.
  const auto beside = unfinished_path(path_);
  if (::rename(place->c_str(), beside.c_str()) < 0) return errno_error("remove " + *place);
  remove_tree(beside);
  return ok();
}

std::vector<std::string> Folder::names(Kind kind) const {
  std::vector<std::string> names;
  const auto ending = suffix(kind);
  for (const auto& file : names_in(path_)) {
    if (file[0] == '.' || file.size() <= ending.size() || !file.ends_with(ending)) continue;
    names.push_back(decode(file.substr(0, file.size() - ending.size())));
  }
  std::sort(names.begin(), names.end());
  return names;
}

void Folder::set_budget(std::uint64_t bytes) const {
  (void)replace_file(path_ + "/.budget", std::to_string(bytes));
}

std::uint64_t Folder::budget() const {
  const auto text = read_file(path_ + "/.budget");
  const auto bytes = text ? std::strtoull(text->c_str(), nullptr, 10) : 0;
  return bytes ? bytes : budget_bytes_default;
}

std::uint64_t Folder::used() const { return bytes_below(path_); }

Status Folder::within_budget(std::uint64_t bytes, const std::function<Status()>& take) const {
  const auto guard = lock();
  if (!guard) return guard.error();
  const auto limit = budget(), taken = used();
  if (taken + bytes > limit || taken + bytes < bytes)
    return make_error(Errc::cannot_create,
                      std::to_string(bytes) + " bytes do not fit; shared_memory_bytes is " +
                          std::to_string(limit) + ", " + std::to_string(taken) + " are in use");
  return take();
}

std::vector<std::string> Folder::drop_stale() const {
  std::vector<std::string> dropped;
  for (const Kind kind : {Kind::array, Kind::queue, Kind::lock, Kind::dict}) {
    for (const auto& name : names(kind)) {
      const auto place = path(kind, name);
      if (!place) continue;
      const auto there = Segment::attach(header_path(kind, *place), kind);
      if (there || there.error().code != std::error_code(ESTALE, std::generic_category())) continue;
      if (drop_if_stale(kind, *place)) dropped.push_back(std::string(kind_name(kind)) + " " + name);
    }
  }
  for (const auto& file : names_in(path_))
    if (is_unfinished_and_dead(file)) remove_tree(path_ + "/" + file);
  return dropped;
}

}  // namespace tine::shared
