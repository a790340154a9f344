#pragma once
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

/// Who holds a lock or a lease: a thread, a process, or an attempt of a job.
namespace tine::shared {

/// 63 bits, so that one word of shared memory names its owner with a bit to spare. 0: nobody.
///   thread, process   start time in clock ticks after boot (40 bits), thread or process id (22 bits)
///   attempt of a job  bit 62, attempt modulo 2^20, job id (42 bits)
/// With the boot id in the segment's header it never means two.
using Owner = std::uint64_t;

Owner this_thread();
Owner this_process();
Owner owner_of_job(std::uint64_t id, std::uint32_t attempt);

inline bool is_job(Owner owner) { return (owner >> 62 & 1) != 0; }
inline std::uint64_t job_of(Owner owner) { return owner & ((1ull << 42) - 1); }
inline std::uint32_t attempt_of(Owner owner) { return static_cast<std::uint32_t>(owner >> 42 & 0xfffff); }
inline int pid_of(Owner owner) { return static_cast<int>(owner & ((1u << 22) - 1)); }

/// Of a thread or a process: whether it still runs (a zombie does not, a stopped one does). Of a job:
/// unknown, true.
bool is_alive(Owner owner);
/// As is_alive(), and a line of its /proc/PID/maps has `mapping` (Segment::mapping()): a program that called
/// exec keeps its id and its start time, and nothing else. True where that cannot be read.
bool is_alive_and_maps(Owner owner, const std::string& mapping);

/// The attempt that this process is part of ($TINE_JOB_ID, $TINE_ATTEMPT); 0: none.
Owner this_job();
/// A process whose end is the end of this process's job: the leader of its session, if that is in the job. 0:
/// none is known, and only the daemon tells.
Owner witness_of_this_job();

/// The owners, of `lock run`s around this process ($TINE_LOCK_OWNERS): what they hold, this one may enter.
bool is_around_this_process(Owner owner);
std::string environment_with_owner(Owner owner);  ///< "TINE_LOCK_OWNERS=…", this one added

/// As AT_RANDOM: differs for each program that an exec started.
std::uint64_t program_nonce();

}  // namespace tine::shared
