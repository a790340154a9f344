#include <nlohmann/json.hpp>

#include "cmd/autostart.hpp"
#include "cmd/print_json.hpp"
#include "cmd/verbs/verbs.hpp"

namespace tine::cmd {
namespace {

using ipc::Json;

std::string escaped(std::string_view value) {
  std::string text;
  for (const char c : value) {
    if (c == '\\' || c == '"') text += '\\';
    if (c == '\n')
      text += "\\n";
    else
      text += c;
  }
  return text;
}

std::string sample(const std::string& name, const Json& sample) {
  std::string labels;
  for (const auto& [key, value] : sample.at("labels").items())
    labels += (labels.empty() ? "{" : ",") + key + "=\"" + escaped(value.get<std::string>()) + "\"";
  if (!labels.empty()) labels += "}";
  return name + labels + " " + sample.at("value").dump() + "\n";
}

std::string prometheus(const Json& metrics) {
  std::string text;
  for (const auto& family : metrics) {
    const auto name = family.at("name").get<std::string>();
    text += "# HELP " + name + " " + family.at("help").get<std::string>() + "\n# TYPE " + name + " " +
            family.at("type").get<std::string>() + "\n";
    for (const auto& one : family.at("samples")) text += sample(name, one);
  }
  return text;
}

}  // namespace

int metrics(Invocation& invocation) {
  Options options(
      invocation, "metrics",
      "Counts and gauges of the daemon in the text format of Prometheus; --json: a family a line.");
  if (const auto over = options.parse_without_words()) return *over;
  auto daemon = reach_daemon(invocation, Autostart::never);
  if (daemon.exit_code) return daemon.exit_code;
  const auto reply = daemon.client.call("metrics", Json::object());
  if (!reply) return fail(invocation, reply.error());
  if (!invocation.json) return print_text(prometheus(reply->at("metrics")));
  for (const auto& family : reply->at("metrics"))
    if (const int unwritten = print_json(family)) return unwritten;
  return 0;
}

}  // namespace tine::cmd
