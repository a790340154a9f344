#include "core/pool/worker_protocol.hpp"

#include <doctest/doctest.h>

#include <cstring>

namespace tine {
namespace {

TEST_CASE("start order: every field survives the wire") {
  const StartOrder order{7,
                         2,
                         OrderKind::callback,
                         std::string("s\0", 2),
                         std::make_shared<const std::string>("A=1\0B=2\0", 8),
                         "in",
                         4,
                         5};
  StartOrder read;
  REQUIRE(decode(encode(order), read));
  CHECK(read.job == 7);
  CHECK(read.attempt == 2);
  CHECK(read.kind == OrderKind::callback);
  CHECK(read.spec == order.spec);
  CHECK(*read.environment == *order.environment);
  CHECK(read.stdin_bytes == "in");
  CHECK(read.descriptors == 4);
  CHECK(read.place == 5);
}

TEST_CASE("hello, seat and setup: every field survives the wire") {
  WorkerHello hello;
  REQUIRE(decode(encode(WorkerHello{"k-1", "io", 3, 42, true}), hello));
  CHECK(hello.key == "k-1");
  CHECK(hello.pool == "io");
  CHECK(hello.slot == 3);
  CHECK(hello.pid == 42);
  CHECK(hello.again);

  WorkerSeat seat;
  REQUIRE(decode(encode(WorkerSeat{"k-1", "io", 3, 100}), seat));
  CHECK(seat.key == "k-1");
  CHECK(seat.slot == 3);
  CHECK(seat.tasks == 100);

  ZygoteSetup setup;
  REQUIRE(decode(
      encode(ZygoteSetup{"/s", "/s/tine.sock", {"/a.so", "/b.so"}, 4096, {{"f", {"f.py", "x"}, "/c"}}}),
      setup));
  CHECK(setup.state_dir == "/s");
  CHECK(setup.modules.size() == 2);
  CHECK(setup.open_files_soft == 4096);
  REQUIRE(setup.functions.size() == 1);
  CHECK(setup.functions[0].command == std::vector<std::string>{"f.py", "x"});
  CHECK(setup.functions[0].folder == "/c");
}

TEST_CASE("task call and answer: every field survives the wire") {
  TaskCall call;
  REQUIRE(decode(encode(TaskCall{5, 2, 9, "echo", std::string("a\0b", 3), true, false}), call));
  CHECK(call.place == 5);
  CHECK(call.session == 2);
  CHECK(call.index == 9);
  CHECK(call.function == "echo");
  CHECK(call.text == std::string("a\0b", 3));
  CHECK(call.is_text);
  CHECK_FALSE(call.is_star);

  TaskAnswer answer;
  REQUIRE(decode(encode(TaskAnswer{5, 2, 9, true, "why"}), answer));
  CHECK(answer.place == 5);
  CHECK(answer.session == 2);
  CHECK(answer.index == 9);
  CHECK(answer.is_error);
  CHECK(answer.bytes == "why");
}

TEST_CASE("payload: cut anywhere, it is refused") {
  const std::string bytes =
      encode(StartOrder{7, 2, OrderKind::job, "spec", std::make_shared<const std::string>("A=1"), "in", 0});
  StartOrder read;
  for (std::size_t size = 0; size < bytes.size(); ++size)
    CHECK_FALSE(decode(std::string_view(bytes).substr(0, size), read));
  CHECK_FALSE(decode(bytes + "x", read));
}

TEST_CASE("frame: is the length, the type, the payload") {
  const std::string bytes = frame(FrameType::leave, "abc");
  REQUIRE(bytes.size() == frame_header_bytes + 3);
  std::uint32_t size = 0;
  std::memcpy(&size, bytes.data(), sizeof size);
  CHECK(size == 3);
  CHECK(static_cast<FrameType>(bytes[4]) == FrameType::leave);
  CHECK(bytes.substr(frame_header_bytes) == "abc");
}

}  // namespace
}  // namespace tine
