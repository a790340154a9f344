#include "cmd/print_json.hpp"

#include <nlohmann/json.hpp>

#include "core/base/file.hpp"

namespace tine::cmd {

int print_text(std::string_view text) {
  const auto written = write_all(1, text);
  if (written) return 0;
  (void)write_all(2, "tine: stdout: " + written.error().message() + "\n");
  return 74;
}

int print_line(std::string_view line) { return print_text(std::string(line) + "\n"); }

int print_json(const ipc::Json& value) {
  return print_line(value.dump(-1, ' ', false, ipc::Json::error_handler_t::replace));
}

}  // namespace tine::cmd
