#include "daemon/state_dir.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.hpp"

namespace tine {

Result<UniqueFd> take_state_dir(const std::string& path) {
  if (auto status = make_private_folder(path); !status) return status.error();
  struct stat info {};
  if (::stat(path.c_str(), &info) < 0) return errno_error("state dir " + path);
  if (!S_ISDIR(info.st_mode)) return make_error(Errc::cannot_create, "state dir " + path + " is no folder");
  if (info.st_uid != ::geteuid())
    return make_error(Errc::not_permitted, "state dir " + path + " belongs to uid " +
                                               std::to_string(info.st_uid) + "; allowed: uid " +
                                               std::to_string(::geteuid()));
  // A folder that was open to others is closed before anything is put into it.
  if ((info.st_mode & 077) && ::chmod(path.c_str(), 0700) < 0) return errno_error("chmod " + path);
  const std::string lock = path + "/lock";
  UniqueFd fd(::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return errno_error("open " + lock);
  // Not flock: a zygote that is just being forked would hold it on for a daemon that was killed.
  struct flock whole {};
  whole.l_type = F_WRLCK;
  if (::fcntl(fd.get(), F_SETLK, &whole) < 0) {
    if (errno == EAGAIN || errno == EACCES)
      return make_error(Errc::already_running, "another tined holds " + path);
    return errno_error("lock " + lock);
  }
  for (const char* inner : {"/spool", "/output", "/stdin"})
    if (auto status = make_private_folder(path + inner); !status) return status.error();
  return fd;
}

}  // namespace tine
