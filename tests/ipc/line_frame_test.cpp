#include "ipc/line_frame.hpp"

#include <doctest/doctest.h>

using tine::ipc::LineFrame;

TEST_CASE("line frame: gives whole lines, however the bytes arrive") {
  LineFrame frame(10);
  frame.feed("ab");
  CHECK_FALSE(frame.next());
  frame.feed("c\nde\nf");
  CHECK(frame.next()->text == "abc");
  CHECK(frame.next()->text == "de");
  CHECK_FALSE(frame.next());
  frame.feed("\n");
  CHECK(frame.next()->text == "f");
  CHECK(frame.is_empty());
}

TEST_CASE("line frame: takes a line at the bound and refuses one beyond it") {
  LineFrame frame(4);
  frame.feed("1234\n12345\nok\n");
  CHECK(frame.next()->text == "1234");
  CHECK(frame.next()->too_long);
  CHECK(frame.next()->text == "ok");
}

TEST_CASE("line frame: reports an endless line once and goes on after it") {
  LineFrame frame(4);
  frame.feed("123456");
  CHECK(frame.next()->too_long);
  frame.feed("789");
  CHECK_FALSE(frame.next());
  frame.feed("0\nnext\n");
  CHECK(frame.next()->text == "next");
}
