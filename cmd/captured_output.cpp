#include "cmd/captured_output.hpp"

#include <poll.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/text.hpp"

namespace tine::cmd {
namespace {

using ipc::Json;

constexpr int follow_every_ms = 100;

/// One stream on its way through us.
struct Flow {
  Stream stream;
  const char *offset_key, *bytes_key, *end_key;
  bool wanted = true;
  std::uint64_t offset = 0;
  bool at_end = false;                      ///< all that the daemon has was read
  std::optional<std::uint64_t> last_lines;  ///< still holding back, until the end is seen
  std::string held;

  /// Keeps the last lines alone; a last line without its line end counts.
  void trim() {
    std::uint64_t lines = 0;
    std::size_t at = held.size();
    if (at > 0 && held[at - 1] == '\n') --at;
    while (lines < *last_lines) {
      const auto end = at == 0 ? std::string::npos : held.rfind('\n', at - 1);
      if (end == std::string::npos) return;
      at = end;
      ++lines;
    }
    held.erase(0, *last_lines == 0 ? held.size() : at + 1);
  }
};

Result<std::string> piece_of(const Json& reply, const char* key) {
  const auto found = reply.find(key);
  if (found == reply.end() || !found->is_string()) return std::string();
  return base64_decode(found->get_ref<const std::string&>());
}

/// Takes one reply's share of a stream. False: the writer wants no more.
Result<bool> advance(Flow& flow, const Json& reply,
                     const std::function<bool(Stream, std::string_view)>& write) {
  auto piece = piece_of(reply, flow.bytes_key);
  if (!piece) return piece.error();
  flow.offset += piece->size();
  flow.at_end = piece->empty() || reply.value(flow.end_key, false);
  if (!flow.wanted) return true;
  if (!flow.last_lines) return piece->empty() || write(flow.stream, *piece);
  flow.held += *piece;
  flow.trim();
  if (!flow.at_end) return true;
  flow.last_lines.reset();
  return write(flow.stream, std::exchange(flow.held, {}));
}

}  // namespace

Status read_output(Reached& daemon, JobId id, const OutputWish& wish,
                   const std::function<bool(Stream, std::string_view)>& write) {
  Flow flows[] = {
      {Stream::out, "stdout_offset", "stdout_base64", "stdout_end", wish.out, 0, false, wish.last_lines, {}},
      {Stream::err, "stderr_offset", "stderr_base64", "stderr_end", wish.err, 0, false, wish.last_lines, {}}};
  const auto question = [&] {
    Json params{{"id", id}};
    for (const auto& flow : flows) params[flow.offset_key] = flow.offset;
    return params;
  };
  for (;;) {
    const auto reply =
        wish.follow ? ask_outliving(daemon, "logs", question) : daemon.client.call("logs", question());
    if (!reply) return reply.error();
    for (auto& flow : flows) {
      const auto goes_on = advance(flow, *reply, write);
      if (!goes_on) return goes_on.error();
      if (!*goes_on) return ok();
    }
    if (!std::all_of(std::begin(flows), std::end(flows), [](const Flow& f) { return f.at_end || !f.wanted; }))
      continue;
    if (!wish.follow || reply->value("ended", true)) return ok();
    ::poll(nullptr, 0, follow_every_ms);
  }
}

}  // namespace tine::cmd
