#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cmd/autostart.hpp"
#include "cmd/print_json.hpp"
#include "cmd/print_table.hpp"
#include "cmd/shared_state.hpp"
#include "cmd/verbs/verbs.hpp"
#include "core/base/state_folder.hpp"
#include "core/shared/catalogue.hpp"
#include "ipc/places.hpp"

namespace tine::cmd {
namespace {

/// What was looked at; `trouble` is empty where it is as it should be.
struct Look {
  std::string kind, name, good, trouble;
};

std::string octal(mode_t mode) {
  char text[8];
  std::snprintf(text, sizeof text, "%04o", static_cast<unsigned>(mode & 07777));
  return text;
}

/// Who owns it, and whether others can look in.
std::string trouble_of(const std::string& path, mode_t type, mode_t allowed) {
  struct stat about {};
  if (::lstat(path.c_str(), &about) < 0) return errno_error("stat").message();
  if ((about.st_mode & S_IFMT) != type) return "something else is in its place";
  if (about.st_uid != ::geteuid())
    return "belongs to uid " + std::to_string(about.st_uid) + ", not to " + std::to_string(::geteuid());
  if (about.st_mode & 07777 & ~allowed) return "mode " + octal(about.st_mode) + ", not " + octal(allowed);
  return "";
}

Look look_at_space(const std::string& state_dir) {
  struct statvfs space {};
  Look look{"space", state_dir, "", ""};
  if (::statvfs(state_dir.c_str(), &space) < 0) {
    look.trouble = errno_error("statvfs").message();
    return look;
  }
  constexpr std::uint64_t least = 16u << 20;
  const std::uint64_t free_bytes = std::uint64_t{space.f_bavail} * space.f_frsize;
  (free_bytes < least ? look.trouble : look.good) = std::to_string(free_bytes >> 20) + " MiB free";
  if (space.f_flag & ST_RDONLY) look.trouble = "a read-only file system";
  return look;
}

/// Whether a daemon answers; that none is there is no trouble: the next tine starts one.
Look look_at_daemon(const std::string& socket, bool& answers) {
  Look look{"daemon", socket, "", ""};
  auto client = ipc::Client::connect(socket);
  if (!client) {
    const bool is_absent = ipc::nobody_listens(client.error());
    (is_absent ? look.good : look.trouble) = is_absent ? "none runs" : client.error().message();
    return look;
  }
  const auto pong = client->call("ping", ipc::Json::object());
  answers = pong.has_value();
  if (pong)
    look.good = "version " + pong->value("version", "?") + ", pid " + std::to_string(client->daemon_pid());
  else
    look.trouble = pong.error().message();
  return look;
}

Result<ipc::Json> ask(const std::string& socket, const char* method, const ipc::Json& params) {
  auto client = ipc::Client::connect(socket);
  return client ? client->call(method, params) : client.error();
}

/// No trouble either way, but who bounds jobs wants to know which.
Look look_at_memory_bounds(const std::string& socket) {
  Look look{"max_memory", "", "", ""};
  const auto status = ask(socket, "status", ipc::Json::object());
  if (!status) {
    look.trouble = status.error().message();
    return look;
  }
  const auto daemon = status->value("daemon", ipc::Json::object());
  look.name = daemon.value("max_memory_by", "?");
  look.good = look.name == "cgroup" ? "of the whole job, in " : "of each process of a job: ";
  look.good += daemon.value("max_memory_why", "?");
  return look;
}

/// SQLite's own head of the file; the daemon, which holds it, has read the rest when it answers with a list.
Look look_at_store(const std::string& state_dir, const std::string& socket, bool daemon_answers) {
  Look look{"store", state_dir + "/jobs.db", "none yet", ""};
  struct stat about {};
  if (::stat(look.name.c_str(), &about) < 0) return look;
  look.trouble = trouble_of(look.name, S_IFREG, 0644);  // the folder keeps others out
  if (!look.trouble.empty()) return look;
  look.good = std::to_string(about.st_size) + " bytes";
  UniqueFd file(::open(look.name.c_str(), O_RDONLY | O_CLOEXEC));
  constexpr std::string_view magic("SQLite format 3\0", 16);
  char beginning[16];
  if (about.st_size > 0 && (::pread(file.get(), beginning, sizeof beginning, 0) != sizeof beginning ||
                            std::string_view(beginning, sizeof beginning) != magic))
    look.trouble = "is no SQLite database";
  if (!daemon_answers || !look.trouble.empty()) return look;
  const auto listed = ask(socket, "list", ipc::Json{{"limit", 1}});
  if (listed)
    look.good += ", the daemon reads it";
  else
    look.trouble = listed.error().message();
  return look;
}

std::vector<Look> look_around(const std::string& state_dir, const std::string& socket) {
  std::vector<Look> looks;
  looks.push_back({"state dir", state_dir, "0700, of this user", trouble_of(state_dir, S_IFDIR, 0700)});
  struct stat about {};
  if (::lstat(state_dir.c_str(), &about) < 0 && errno == ENOENT) {
    looks[0].good = "none yet";
    looks[0].trouble.clear();
    return looks;
  }
  looks.push_back(look_at_space(state_dir));
  if (::lstat(socket.c_str(), &about) == 0)
    looks.push_back({"socket", socket, "0600, of this user", trouble_of(socket, S_IFSOCK, 0600)});
  bool answers = false;
  looks.push_back(look_at_daemon(socket, answers));
  looks.push_back(look_at_store(state_dir, socket, answers));
  if (answers) looks.push_back(look_at_memory_bounds(socket));
  return looks;
}

}  // namespace

int doctor(Invocation& invocation) {
  Options options(
      invocation, "doctor",
      "Looks at the state dir, the socket, the daemon, the store and every shared structure; starts "
      "nothing. What is not as it should be: exit 74.");
  if (const auto over = options.parse_without_words()) return *over;
  const auto state_dir = state_folder_of_socket(invocation.state_dir, invocation.socket);
  if (!state_dir) return fail(invocation, state_dir.error());
  const auto socket = ipc::socket_path(invocation.socket, invocation.state_dir);
  if (!socket) return fail(invocation, socket.error());
  auto looks = look_around(*state_dir, *socket);
  if (looks.size() > 1) {
    const auto folder = shared_folder(invocation);
    if (!folder) return fail(invocation, folder.error());
    for (const auto& [kind, name, trouble] : shared::check_all(*folder))
      looks.push_back({std::string(shared::kind_name(kind)), name, "whole", trouble});
  }
  bool whole = true;
  std::vector<Row> rows{{"WHAT", "NAME", "FOUND"}};
  for (const auto& [kind, name, good, trouble] : looks) {
    whole = whole && trouble.empty();
    rows.push_back({kind, name, trouble.empty() ? good : "TROUBLE: " + trouble});
    const shared::Json line = {{"kind", kind},
                               {"name", name},
                               {"ok", trouble.empty()},
                               {"trouble", trouble.empty() ? shared::Json() : shared::Json(trouble)}};
    if (const int unwritten = invocation.json ? print_json(line) : 0) return unwritten;
  }
  if (const int unwritten = invocation.json ? 0 : print_text(table(rows))) return unwritten;
  return whole ? 0 : 74;
}

}  // namespace tine::cmd
