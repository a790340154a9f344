#include "cmd/tined_log.hpp"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

namespace tine {
namespace {

constexpr std::size_t file_bytes_max = 5u << 20;

/// One JSON object a line; the text is escaped, which a pattern cannot do.
class JsonFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& into) override {
    spdlog::memory_buf_t time;
    spdlog::pattern_formatter("%Y-%m-%dT%H:%M:%S.%fZ", spdlog::pattern_time_type::utc, "")
        .format(message, time);
    const auto level = spdlog::level::to_string_view(message.level);
    const nlohmann::ordered_json line = {
        {"time", std::string(time.data(), time.size())},
        {"level", std::string(level.data(), level.size())},
        {"message", std::string(message.payload.data(), message.payload.size())}};
    const std::string text =
        line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
    into.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<JsonFormatter>(); }
};

/// The journal keeps the time itself, and wants the level as syslog's number (sd-daemon(3)).
class JournalFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& into) override {
    const char priority = message.level >= spdlog::level::err    ? '3'
                          : message.level == spdlog::level::warn ? '4'
                          : message.level == spdlog::level::info ? '6'
                                                                 : '7';
    const std::string head = std::string("<") + priority + ">";
    into.append(head.data(), head.data() + head.size());
    into.append(message.payload.data(), message.payload.data() + message.payload.size());
    into.push_back('\n');
  }
  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<JournalFormatter>(); }
};

/// Whether stderr is what JOURNAL_STREAM names, as DEVICE:INODE.
bool is_read_by_journal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat info {};
  return stream && ::fstat(2, &info) == 0 &&
         stream == std::to_string(info.st_dev) + ":" + std::to_string(info.st_ino);
}

}  // namespace

void start_log(const std::string& level, const std::string& format, const std::string& file) {
  std::shared_ptr<spdlog::sinks::sink> sink;
  if (file.empty())
    sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  else
    sink = std::make_shared<spdlog::sinks::rotating_file_sink_mt>(file, file_bytes_max, 1);
  auto logger = std::make_shared<spdlog::logger>("tined", sink);
  spdlog::set_default_logger(logger);
  if (format == "json")
    logger->set_formatter(std::make_unique<JsonFormatter>());
  else if (file.empty() && is_read_by_journal())
    logger->set_formatter(std::make_unique<JournalFormatter>());
  else
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%fZ %l %v", spdlog::pattern_time_type::utc);
  logger->set_level(spdlog::level::from_str(level == "warn" ? "warning" : level));
  logger->flush_on(spdlog::level::info);
}

}  // namespace tine
