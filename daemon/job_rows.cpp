#include "daemon/job_rows.hpp"

#include <sys/stat.h>

#include "core/base/file.hpp"
#include "core/base/limits.hpp"

namespace tine {
namespace {

/// A tail that begins in the middle of a UTF-8 character would turn the whole into base64.
void drop_cut_character(std::string& tail) {
  std::size_t cut = 0;
  while (cut < 3 && cut < tail.size() && (static_cast<unsigned char>(tail[cut]) & 0xc0) == 0x80) ++cut;
  tail.erase(0, cut);
}

void read_stream(ipc::JobRow& row, Stream stream, const std::string& state_dir, const std::string& worker_key,
                 std::string& tail, std::uint64_t& bytes) {
  OutputPlace place = output_of(row, stream, state_dir, worker_key);
  if (place.path.empty()) {
    tail = std::move(place.inline_bytes);
    bytes = tail.size();
    return;
  }
  struct stat info {};
  if (::stat(place.path.c_str(), &info) != 0) return;
  bytes = static_cast<std::uint64_t>(info.st_size);
  if (auto read = read_tail(place.path, limits::output_tail_bytes)) tail = std::move(*read);
  if (bytes > tail.size()) drop_cut_character(tail);
}

}  // namespace

OutputPlace output_of(const ipc::JobRow& row, Stream stream, const std::string& state_dir,
                      const std::string& worker_key) {
  const bool out = stream == Stream::out;
  const std::string suffix = out ? ".out" : ".err";
  if (!worker_key.empty()) return {state_dir + "/output/" + worker_key + suffix, ""};
  if (!row.outcome) return {};
  if (out ? row.outcome->stdout_in_file : row.outcome->stderr_in_file)
    return {state_dir + "/output/" + std::to_string(row.id) + suffix, ""};
  return {"", out ? row.outcome->stdout_inline : row.outcome->stderr_inline};
}

void complete_row(ipc::JobRow& row, const Jobs* jobs, const std::string& state_dir) {
  std::string worker_key;
  const LiveJob* live = jobs ? jobs->find(row.id) : nullptr;
  if (live && !has_ended(row.state)) {
    row.state = jobs->state_of(*live);
    row.is_paused = live->is_paused;
    row.attempt = live->attempt;
    if (live->worker) {
      row.started = live->started;
      row.worker_pid = live->worker->pid;
      row.slot = live->worker->seat.slot;
      worker_key = live->worker->seat.key;
    }
  }
  read_stream(row, Stream::out, state_dir, worker_key, row.stdout_tail, row.stdout_bytes);
  read_stream(row, Stream::err, state_dir, worker_key, row.stderr_tail, row.stderr_bytes);
  if (!row.outcome) return;
  row.stdout_bytes = row.outcome->stdout_bytes;  // with what was cut
  row.stderr_bytes = row.outcome->stderr_bytes;
}

}  // namespace tine
