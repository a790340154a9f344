#pragma once
#include <cstddef>
#include <cstdint>

/// Every bound of the system that more than one file needs, with its unit.
namespace tine::limits {

inline constexpr std::size_t line_bytes_max = 4u << 20;         ///< one request line (contract 7)
inline constexpr std::size_t batch_line_bytes_max = 16u << 20;  ///< one `batch` line
inline constexpr int json_depth_max = 64;
inline constexpr std::size_t co_process_reply_bytes_max = 16u << 20;  ///< one line of a co-process
inline constexpr std::size_t socket_path_bytes_max = 107;             ///< sun_path, less its NUL
inline constexpr std::size_t output_tail_bytes = 64u << 10;           ///< of each stream, in a job record
inline constexpr std::size_t output_inline_bytes =
    8u << 10;  ///< up to this an output lives in the record, beyond it in a file
inline constexpr std::size_t exec_bytes_max = 2u << 20;  ///< argv + env: execve's limit at an 8 MiB stack
inline constexpr std::size_t exec_string_bytes_max = 128u
                                                     << 10;  ///< one argument or variable: MAX_ARG_STRLEN
inline constexpr std::size_t name_bytes_max = 255;           ///< job name, pool name, label key
inline constexpr std::size_t key_bytes_max = 512;            ///< a unique or idempotency key
inline constexpr std::uint32_t pool_size_max = 1024;         ///< workers of one pool
/// Calls at once in one coroutine worker: each has two maps, and vm.max_map_count is 65530.
inline constexpr std::uint32_t concurrency_max = 30000;
inline constexpr std::uint64_t duration_s_max = 10ull * 365 * 24 * 3600;

}  // namespace tine::limits
