#include "cmd/captured_output.hpp"
#include "cmd/selection.hpp"
#include "cmd/verbs/verbs.hpp"
#include "core/base/file.hpp"
#include "core/base/quantity.hpp"

namespace tine::cmd {

int logs(Invocation& invocation) {
  OutputWish wish;
  bool only_out = false, only_err = false;
  std::optional<std::string_view> lines;
  Options options(invocation, "logs SEL", "Prints captured output byte for byte, each stream to its own.");
  options.flag("-f,--follow", wish.follow, "go on until the job has ended");
  options.value("-n,--lines", "N", lines, "the last N lines of each stream");
  options.flag("--stdout", only_out, "stdout alone");
  options.flag("--stderr", only_err, "stderr alone");
  if (const auto over = options.parse()) return *over;
  if (lines) {
    const auto count = parse_integer(*lines, 0, INT64_MAX);
    if (!count) return fail_usage(invocation, "--lines: " + count.error().message());
    wish.last_lines = static_cast<std::uint64_t>(*count);
  }
  if (only_out != only_err) wish.out = only_out, wish.err = only_err;
  const auto selection = parse_selection(options.free_words());
  if (!selection) return fail(invocation, selection.error());

  auto daemon = reach_daemon(invocation, Autostart::allowed);
  if (daemon.exit_code) return daemon.exit_code;
  const auto ids = existing_ids(daemon, *selection);
  if (!ids) return fail(invocation, ids.error());
  std::optional<Error> unwritten;
  for (const auto id : *ids) {
    const auto read = read_output(daemon, id, wish, [&](Stream stream, std::string_view bytes) {
      const auto written = write_all(stream == Stream::out ? 1 : 2, bytes);
      if (!written) unwritten = make_error(Errc::io, "output: " + written.error().message());
      return written.has_value();
    });
    if (unwritten) return fail(invocation, *unwritten);
    if (!read) return fail(invocation, read.error());
  }
  return 0;
}

}  // namespace tine::cmd
