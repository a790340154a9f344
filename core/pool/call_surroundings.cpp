#include "core/pool/call_surroundings.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

extern char** environ;

namespace tine {

CallSurroundings::CallSurroundings(const std::string& cwd, mode_t umask,
                                   const std::vector<std::string>& environment, int in, int out, int err)
    : own_environment_(environ) {
  for (int fd = 0; fd < 3; ++fd) own_[fd] = UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
  ::dup2(in, 0);
  ::dup2(out, 1);
  ::dup2(err, 2);
  own_umask_ = ::umask(umask);
  if (::chdir(cwd.c_str()) < 0 && ::chdir("/") < 0) ::_exit(1);
  for (const auto& entry : environment) pointers_.push_back(const_cast<char*>(entry.c_str()));
  pointers_.push_back(nullptr);
  environ = pointers_.data();
}

CallSurroundings::~CallSurroundings() {
  std::fflush(nullptr);
  environ = own_environment_;
  ::umask(own_umask_);
  if (::chdir("/") < 0) ::_exit(1);
  for (int fd = 0; fd < 3; ++fd) ::dup2(own_[fd].get(), fd);
}

}  // namespace tine
