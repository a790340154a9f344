#include "core/shared/owner.hpp"

#include <sys/auxv.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "core/base/clock.hpp"
#include "core/base/file.hpp"
#include "core/pool/fork_generation.hpp"

namespace tine::shared {
namespace {

constexpr std::uint64_t ticks_mask = (1ull << 40) - 1;
constexpr Owner job_bit = 1ull << 62;

Owner owner_of_task(int id) { return (process_start_ticks(id) & ticks_mask) << 22 | static_cast<Owner>(id); }

template <class T>
std::optional<T> number_in(const char* text, int base = 10) {
  T value{};
  if (text == nullptr || *text == '\0') return std::nullopt;
  const char* end = text + std::strlen(text);
  const auto [rest, error] = std::from_chars(text, end, value, base);
  if (error != std::errc() || rest != end) return std::nullopt;
  return value;
}

/// Whether `environment` (of /proc/PID/environ) has exactly this entry.
bool has_entry(std::string_view environment, std::string_view entry) {
  while (!environment.empty()) {
    const auto one = environment.substr(0, environment.find('\0'));
    if (one == entry) return true;
    environment.remove_prefix(std::min(environment.size(), one.size() + 1));
  }
  return false;
}

constexpr char owners_variable[] = "TINE_LOCK_OWNERS";

}  // namespace

Owner this_thread() {
  struct Known {
    std::uint64_t generation = 0;
    Owner owner = 0;  ///< 0: not asked yet
  };
  static thread_local Known known;
  const auto now = fork_generation();
  if (known.owner == 0 || known.generation != now) known = {now, owner_of_task(::gettid())};
  return known.owner;
}

Owner this_process() {
  static std::atomic<Owner> known{0};
  auto owner = known.load(std::memory_order_relaxed);
  if (pid_of(owner) != ::getpid()) known.store(owner = owner_of_task(::getpid()), std::memory_order_relaxed);
  return owner;
}

Owner owner_of_job(std::uint64_t id, std::uint32_t attempt) {
  return job_bit | (static_cast<Owner>(attempt) & 0xfffff) << 42 | (id & ((1ull << 42) - 1));
}

bool is_alive(Owner owner) {
  if (is_job(owner)) return true;
  return (process_start_ticks(pid_of(owner)) & ticks_mask) == owner >> 22;
}

bool is_alive_and_maps(Owner owner, const std::string& mapping) {
  if (is_job(owner)) return true;
  if (!is_alive(owner)) return false;
  const auto maps = read_file("/proc/" + std::to_string(pid_of(owner)) + "/maps");
  // Empty is a process on its way out, or one that may not be looked at: its end will tell.
  if (!maps || maps->empty() || mapping.empty()) return is_alive(owner);
  return maps->find(mapping) != std::string::npos;
}

Owner this_job() {
  const auto id = number_in<std::uint64_t>(::getenv("TINE_JOB_ID"));
  if (!id || *id == 0) return 0;
  return owner_of_job(*id, number_in<std::uint32_t>(::getenv("TINE_ATTEMPT")).value_or(1));
}

Owner witness_of_this_job() {
  const char* id = ::getenv("TINE_JOB_ID");
  const pid_t leader = ::getsid(0);
  if (id == nullptr || leader <= 0) return 0;
  const auto environment = read_file("/proc/" + std::to_string(leader) + "/environ");
  if (!environment || !has_entry(*environment, std::string("TINE_JOB_ID=") + id)) return 0;
  return owner_of_task(leader);
}

bool is_around_this_process(Owner owner) {
  const char* list = ::getenv(owners_variable);
  for (std::string_view rest = list ? list : ""; !rest.empty();) {
    const auto one = rest.substr(0, rest.find(':'));
    if (number_in<Owner>(std::string(one).c_str(), 16) == owner) return true;
    rest.remove_prefix(std::min(rest.size(), one.size() + 1));
  }
  return false;
}

std::string environment_with_owner(Owner owner) {
  char text[24];
  std::snprintf(text, sizeof text, "%llx", static_cast<unsigned long long>(owner));
  const char* list = ::getenv(owners_variable);
  return std::string(owners_variable) + "=" + (list && *list ? std::string(list) + ":" : "") + text;
}

std::uint64_t program_nonce() {
  std::uint64_t nonce = 1;
  if (const auto* random = reinterpret_cast<const void*>(::getauxval(AT_RANDOM)))
    std::memcpy(&nonce, random, sizeof nonce);
  return nonce | 1;
}

}  // namespace tine::shared
