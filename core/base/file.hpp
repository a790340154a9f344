#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/unique_fd.hpp"

/// What std::filesystem has too; that brings static initialisers of locales into `tine`, paid at each start.
namespace tine {

/// The whole of a file, or its last `tail_bytes`. Errors: errno of open and read.
Result<std::string> read_file(const std::string& path);
Result<std::string> read_tail(const std::string& path, std::size_t tail_bytes);
Result<std::string> read_all(int fd);
Status write_all(int fd, std::string_view bytes);
/// Disk or memory for these bytes of a file, so that no store to them is a SIGBUS. 0, or errno. Not of a part
/// in use: where the file system has no fallocate, glibc writes zeros there.
int reserve_range(int fd, std::uint64_t from, std::uint64_t to);
struct Pipe {
  UniqueFd read_end, write_end;
};
/// Both ends close-on-exec. Errors: EMFILE, ENFILE.
Result<Pipe> make_pipe();
/// Reads and writes of it that would wait give EAGAIN; so do those of every descriptor of the same open file.
void never_block(int fd);
/// Writes beside and renames over: the old content or the new, never half.
Status replace_file(const std::string& path, std::string_view bytes);
/// The folder and its parents; the last is 0700 whatever the umask.
Status make_private_folder(const std::string& path);
std::string parent_folder(const std::string& path);  ///< "/a/b" -> "/a"; "b" -> "."
/// The names in a folder, sorted, without . and ..; none if it cannot be read.
std::vector<std::string> names_in(const std::string& folder);
/// The path made absolute against `base`, without resolving links.
std::string absolute_path(const std::string& path, const std::string& base);

}  // namespace tine
