#include "core/pool/worker_protocol.hpp"

#include "core/base/bytes.hpp"

namespace tine {

std::string encode(const ZygoteSetup& setup) {
  ByteWriter out;
  out.string(setup.state_dir);
  out.string(setup.socket_path);
  out.strings(setup.modules);
  out.number(setup.open_files_soft);
  out.number(static_cast<std::uint32_t>(setup.functions.size()));
  for (const auto& function : setup.functions) {
    out.string(function.name);
    out.strings(function.command);
    out.string(function.folder);
  }
  out.string(setup.memory_groups);
  return out.take();
}

bool decode(std::string_view bytes, ZygoteSetup& setup) {
  ByteReader in(bytes);
  setup.state_dir = in.string();
  setup.socket_path = in.string();
  setup.modules = in.strings();
  setup.open_files_soft = in.number<std::uint64_t>();
  setup.functions.clear();
  for (auto left = in.number<std::uint32_t>(); left > 0 && in.ok(); --left) {
    CoProcessSpec& function = setup.functions.emplace_back();
    function.name = in.string();
    function.command = in.strings();
    function.folder = in.string();
  }
  setup.memory_groups = in.string();
  return in.at_end();
}

std::string encode(const WorkerSeat& seat) {
  ByteWriter out;
  out.string(seat.key);
  out.string(seat.pool);
  out.number(seat.slot);
  out.number(seat.tasks);
  return out.take();
}

bool decode(std::string_view bytes, WorkerSeat& seat) {
  ByteReader in(bytes);
  seat.key = in.string();
  seat.pool = in.string();
  seat.slot = in.number<std::uint32_t>();
  seat.tasks = in.number<std::uint32_t>();
  return in.at_end();
}

std::string encode(const WorkerHello& hello) {
  ByteWriter out;
  out.string(hello.key);
  out.string(hello.pool);
  out.number(hello.slot);
  out.number(hello.pid);
  out.number(static_cast<std::uint8_t>(hello.again));
  return out.take();
}

bool decode(std::string_view bytes, WorkerHello& hello) {
  ByteReader in(bytes);
  hello.key = in.string();
  hello.pool = in.string();
  hello.slot = in.number<std::uint32_t>();
  hello.pid = in.number<std::int32_t>();
  hello.again = in.number<std::uint8_t>() != 0;
  return in.at_end();
}

std::string encode(const StartOrder& order) {
  ByteWriter out;
  out.number(order.job);
  out.number(order.attempt);
  out.number(order.kind);
  out.string(order.spec);
  out.number(static_cast<std::uint8_t>(order.environment != nullptr));
  if (order.environment) out.string(*order.environment);
  out.string(order.stdin_bytes);
  out.number(order.descriptors);
  out.number(order.place);
  return out.take();
}

bool decode(std::string_view bytes, StartOrder& order) {
  ByteReader in(bytes);
  order.job = in.number<JobId>();
  order.attempt = in.number<std::uint32_t>();
  order.kind = in.number<OrderKind>();
  order.spec = in.string();
  const auto has_environment = in.number<std::uint8_t>();
  order.environment = has_environment ? std::make_shared<const std::string>(in.string()) : nullptr;
  order.stdin_bytes = in.string();
  order.descriptors = in.number<std::uint8_t>();
  order.place = in.number<std::uint32_t>();
  return in.at_end() && has_environment <= 1 && order.kind <= OrderKind::callback;
}

std::string encode(const TaskCall& call) {
  ByteWriter out;
  out.number(call.place);
  out.number(call.session);
  out.number(call.index);
  out.string(call.function);
  out.string(call.text);
  for (const bool flag : {call.is_text, call.is_star}) out.number<std::uint8_t>(flag);
  return out.take();
}

bool decode(std::string_view bytes, TaskCall& call) {
  ByteReader in(bytes);
  call.place = in.number<std::uint32_t>();
  call.session = in.number<std::uint64_t>();
  call.index = in.number<std::uint64_t>();
  call.function = in.string();
  call.text = in.string();
  for (bool* flag : {&call.is_text, &call.is_star}) *flag = in.number<std::uint8_t>() != 0;
  return in.at_end();
}

std::string encode(const TaskAnswer& answer) {
  ByteWriter out;
  out.number(answer.place);
  out.number(answer.session);
  out.number(answer.index);
  out.number(static_cast<std::uint8_t>(answer.is_error));
  out.string(answer.bytes);
  return out.take();
}

bool decode(std::string_view bytes, TaskAnswer& answer) {
  ByteReader in(bytes);
  answer.place = in.number<std::uint32_t>();
  answer.session = in.number<std::uint64_t>();
  answer.index = in.number<std::uint64_t>();
  answer.is_error = in.number<std::uint8_t>() != 0;
  answer.bytes = in.string();
  return in.at_end();
}

std::string frame(FrameType type, std::string_view payload) {
  ByteWriter out;
  out.number(static_cast<std::uint32_t>(payload.size()));
  out.number(type);
  std::string bytes = out.take();
  bytes.append(payload);
  return bytes;
}

}  // namespace tine
