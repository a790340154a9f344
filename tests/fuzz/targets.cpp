#include "tests/fuzz/targets.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <asio/io_context.hpp>
#include <asio/local/connect_pair.hpp>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "cmd/halt.hpp"
#include "core/base/clock.hpp"
#include "core/base/json_depth.hpp"
#include "core/base/limits.hpp"
#include "core/base/quantity.hpp"
#include "core/base/text.hpp"
#include "core/pool/co_process.hpp"
#include "core/pool/daemon_link.hpp"
#include "core/pool/worker_protocol.hpp"
#include "core/shared/element.hpp"
#include "daemon/config.hpp"
#include "daemon/frame_link.hpp"
#include "ipc/codec.hpp"
#include "ipc/line_frame.hpp"
#include "ipc/member_text.hpp"
#include "ipc/quick_json.hpp"
#include "ipc/wire_text.hpp"

namespace tine::fuzz {
namespace {

void must(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

std::vector<std::string> none() { return {}; }

JobSpec some_spec() {
  JobSpec spec;
  spec.name = "name";
  spec.argv = {"/bin/sh", "-c", "echo \xff"};
  spec.workdir = "/tmp";
  spec.labels = {{"key", "value"}};
  spec.timeout_s = 1.5;
  spec.callback = "cat";
  return spec;
}

Outcome some_outcome() {
  Outcome outcome;
  outcome.job = 7;
  outcome.attempt = 1;
  outcome.state = JobState::failed;
  outcome.reason = Reason::exit;
  outcome.exit_code = 3;
  outcome.stdout_inline = "out\xff";
  outcome.error_type = "Type";
  outcome.error_message = "message";
  return outcome;
}

/// The lines are the same whether the bytes come at once or one after the other, and none is over the bound.
void line_frame(const std::string& input) {
  constexpr std::size_t bound = 100;
  ipc::LineFrame whole(bound), pieces(bound);
  std::vector<std::pair<std::string, bool>> first, second;
  whole.feed(input);
  while (auto line = whole.next()) first.emplace_back(line->text, line->too_long);
  for (const char c : input.substr(0, 4096)) {
    pieces.feed({&c, 1});
    while (auto line = pieces.next()) second.emplace_back(line->text, line->too_long);
  }
  for (const auto& [text, too_long] : first)
    must(text.size() <= bound && !(too_long && !text.empty()), "line bound");
  if (input.size() <= 4096) must(first == second, "lines do not depend on how they arrive");
}

/// A record of any spec can be said as JSON.
void check_spec(const JobSpec& spec) {
  const auto again = decode_spec(encode(spec));
  must(again && encode(*again) == encode(spec), "a spec survives encode and decode");
  ipc::JobRow row;
  row.id = 1;
  row.spec = spec;
  row.state = JobState::failed;
  row.outcome = some_outcome();
  must(ipc::Json::accept(ipc::record_text(row)), "a record is JSON");
  must(ipc::Json::accept(ipc::short_record_text(row)), "a short record is JSON");
}

void check_quick(const std::string& input) {
  const auto quick = ipc::read_quickly(input);
  if (!quick) return;
  must(!json_too_deep_at(input), "what is read quickly is not too deep");
  must(ipc::Json::accept(input), "what is read quickly is JSON");
  must(*quick == ipc::Json::parse(input), "what is read quickly is what was written");
}

void check_member_text(const std::string& input) {
  must(ipc::member_text(input, "id").size() <= input.size(), "a member is a part of its object");
  const auto object = ipc::Json::parse(input, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return;
  const auto json = object.dump();
  for (const auto& [name, value] : object.items())
    if (ipc::Json(name).dump().size() == name.size() + 2)  // nothing in it is escaped
      must(ipc::member_text(json, name) == value.dump(), "a member is found as it is written");
}

void request(const std::string& input) {
  check_quick(input);
  check_member_text(input);
  auto parsed = ipc::parse_request(input);
  if (auto* error = std::get_if<ipc::RequestError>(&parsed)) {
    (void)ipc::error_reply(error->id, error->code, error->message, 2);
    return;
  }
  const auto& request = std::get<ipc::Request>(parsed);
  (void)ipc::reply(request.id, {{"id", 1}});
  if (const auto selection = ipc::selection_from(request.params))
    for (const auto& [from, to] : selection->ranges) must(from <= to, "a range is not reversed");
  const auto context = ipc::submit_context_from(request.params);
  if (!context) return;
  const auto spec =
      ipc::spec_from(request.params, *context, "line 1: ", {"environment", "cwd", "umask", "descriptors"});
  if (spec)
    check_spec(*spec);
  else
    (void)ipc::error_reply(request.id, spec.error());
  if (!request.params.is_object()) return;
  for (const auto& [key, value] : request.params.items()) {
    const auto seconds = ipc::duration_field(request.params, key.c_str(), 0);
    if (seconds) must(std::isfinite(*seconds) && *seconds >= 0, "a duration is finite and not negative");
    (void)ipc::string_field(request.params, key.c_str(), "");
    (void)ipc::unsigned_field(request.params, key.c_str(), 0, 100);
    (void)ipc::bool_field(request.params, key.c_str(), false);
  }
}

/// As a batch has them: one object a job.
void spec(const std::string& input) {
  auto parsed = ipc::parse_request(R"({"jsonrpc":"2.0","id":1,"method":"submit","params":)" + input + "}");
  const auto* request = std::get_if<ipc::Request>(&parsed);
  if (!request) return;
  if (const auto spec = ipc::spec_from(request->params, {}, "")) check_spec(*spec);
}

void stored_spec(const std::string& input) {
  if (const auto spec = decode_spec(input))
    must(decode_spec(encode(*spec)).has_value(), "a spec can be stored again");
}

void stored_outcome(const std::string& input) {
  const auto outcome = decode_outcome(input);
  if (!outcome) return;
  ipc::JobRow row;
  row.id = 1;
  row.spec = some_spec();
  row.state = outcome->state;
  row.outcome = outcome;
  must(ipc::Json::accept(ipc::record_text(row)), "a record is JSON");
}

void worker_protocol(const std::string& input) {
  ZygoteSetup setup;
  WorkerSeat seat;
  WorkerHello hello;
  StartOrder order;
  TaskCall call;
  TaskAnswer answer;
  if (decode(input, call)) (void)encode(call);
  if (decode(input, answer)) (void)encode(answer);
  if (decode(input, setup)) must(encode(setup) == input, "a setup is its bytes");
  if (decode(input, seat)) must(encode(seat) == input, "a seat is its bytes");
  if (decode(input, hello)) (void)encode(hello);
  if (decode(input, order)) must(encode(order) == input, "an order is its bytes");
}

void config(const std::string& input) {
  const auto config = parse_config(input, "tined.json");
  if (!config) {
    must(exit_code_of(config.error()) == 2, "a wrong config is wrong usage");
    must(config.error().message().find('\n') == std::string::npos, "an error is one line");
    return;
  }
  must(!config->pools.empty(), "there is a pool");
  for (const auto& pool : config->pools) {
    must(pool.size <= limits::pool_size_max, "a pool's size is bounded");
    must(pool.concurrency <= limits::concurrency_max, "a pool's concurrency is bounded");
  }
}

void text(const std::string& input) {
  if (const auto seconds = parse_duration_s(input))
    must(std::isfinite(*seconds) && *seconds >= 0, "a duration is finite and not negative");
  (void)parse_size_bytes(input);
  if (const auto number = parse_integer(input, -5, 5))
    must(*number >= -5 && *number <= 5, "an integer is in its limits");
  if (const auto time = parse_rfc3339(input)) {
    const auto again = parse_rfc3339(rfc3339(*time));
    must(again && *again == *time, "a time survives being written");
  }
  if (const auto bytes = base64_decode(input)) {
    const auto again = base64_decode(base64_encode(*bytes));
    must(again && *again == *bytes, "bytes survive base64");
  }
  must(*base64_decode(base64_encode(input)) == input, "anything survives base64");
  if (is_utf8(input)) (void)ipc::Json(input).dump();
  std::string json;
  ipc::append_wire(json, input);
  must(ipc::Json::accept(json), "any bytes are JSON on the wire");
  if (auto halt = cmd::Halt::parse(input)) {
    must(halt->is_wanted(), "what is given is wanted");
    for (int i = 0; i < 100; ++i)
      must(!halt->ended(i % 2) || halt->is_reached(), "it is reached when it says so");
    if (halt->is_reached()) must(!halt->ended(true), "it says so once");
  }
  for (const char code : std::string_view("cubBhHiIlLfd")) {
    const auto element = shared::parse_element(code, input);
    if (!element) continue;
    const auto written = shared::format_element(code, *element);
    const auto again = shared::parse_element(code, written);
    must(again && shared::format_element(code, *again) == written, "an element survives being written");
  }
  std::string on_the_wire;
  ipc::append_wire(on_the_wire, input);
  const auto back = ipc::bytes_from_json(ipc::Json::parse(on_the_wire), "text");
  if (input.find('\0') == std::string::npos)
    must(back && *back == input, "any bytes but NUL survive the wire");
  else
    must(!back, "a NUL is refused");
  (void)glob_matches(input.substr(0, 40), "a job's name");
}

/// Frames as a peer may send them, in pieces.
void daemon_link(const std::string& input) {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) std::abort();
  const UniqueFd peer(pair[1]);
  DaemonLink link(pair[0]);
  std::size_t taken = 0;
  for (std::size_t at = 0; at < input.size() && at < 65536; at += 777) {
    const auto piece = input.substr(at, 777);
    if (::send(peer.get(), piece.data(), piece.size(), MSG_NOSIGNAL) < 0) break;
    link.serve(1 /* POLLIN */);
    while (auto frame = link.next()) taken += frame_header_bytes + frame->payload.size();
  }
  must(taken <= input.size(), "no more comes out than went in");
}

void frame_link(const std::string& input) {
  asio::io_context loop;
  FrameLink::Socket ours(loop), theirs(loop);
  asio::local::connect_pair(ours, theirs);
  auto link = std::make_shared<FrameLink>(std::move(ours));
  std::size_t taken = 0;
  link->start([&](FrameType, std::string_view payload) { taken += frame_header_bytes + payload.size(); },
              [] {});
  for (std::size_t at = 0; at < input.size() && at < 65536; at += 777) {
    const auto piece = input.substr(at, 777);
    if (::send(theirs.native_handle(), piece.data(), piece.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) break;
    loop.restart();
    loop.poll();
  }
  link->close();
  loop.restart();
  loop.poll();
  must(taken <= input.size(), "no more comes out than went in");
}

/// An answer is whole JSON or an error with a type; everything else is refused with a reason of one line.
void co_process_reply(const std::string& input) {
  const auto reply = parse_reply(input, 1);
  if (!reply) return must(reply.error().context.find('\n') == std::string::npos, "the reason is one line");
  const bool is_error = !reply->error_type.empty();
  must(is_error == reply->result_json.empty(), "a reply is a result or an error");
  must(is_error || nlohmann::json::accept(reply->result_json), "a result is JSON");
}

std::vector<std::string> frame_seeds() {
  return {frame(FrameType::leave, ""),
          frame(FrameType::hello, encode(WorkerHello{"key", "pool", 1, 2, false})),
          frame(FrameType::stored, std::string(8, '\1')) + frame(FrameType::cancel, std::string(16, '\2'))};
}

}  // namespace

const std::vector<Target>& targets() {
  static const std::vector<Target> list = {
      {"line", line_frame,
       [] { return std::vector<std::string>{"a\nbb\n" + std::string(120, 'c') + "\nd"}; }},
      {"request", request, none},
      {"reply", co_process_reply,
       [] {
         return std::vector<std::string>{R"({"id":1,"result":[1,"two",{"three":3.5}]})",
                                         R"({"id":1,"error":{"type":"T","message":"m"}})"};
       }},
      {"spec", spec, none},
      {"config", config, none},
      {"text", text, none},
      {"stored-spec", stored_spec, [] { return std::vector<std::string>{encode(some_spec())}; }},
      {"stored-outcome", stored_outcome, [] { return std::vector<std::string>{encode(some_outcome())}; }},
      {"protocol", worker_protocol,
       [] {
         return std::vector<std::string>{
             encode(ZygoteSetup{"/s", "/s/tine.sock", {"/m.so"}, 1024, {{"f", {"f.py"}, "/c"}}}),
             encode(WorkerSeat{"key", "pool", 1}),
             encode(WorkerHello{"key", "pool", 1, 2, true}),
             encode(TaskCall{1, 2, 3, "echo", "[1]", false, true}),
             encode(TaskAnswer{1, 2, 3, false, "[1]"}),
             encode(StartOrder{1, 1, OrderKind::job, encode(some_spec()),
                               std::make_shared<const std::string>("A=B"), "", 0})};
       }},
      {"daemon-link", daemon_link, frame_seeds},
      {"frame-link", frame_link, frame_seeds},
  };
  return list;
}

}  // namespace tine::fuzz
