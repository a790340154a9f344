#include <doctest/doctest.h>

#include <cmath>
#include <list>
#include <map>
#include <string>
#include <tine/wire.hpp>
#include <vector>

namespace tine {
namespace {

using wire::holds_view;

struct Point {
  int x;
  double y[3];
  char name[4];
};
struct WithPointer {
  int x;
  const char* text;
};
struct Nested {
  Point point;
  WithPointer inner;
};
struct WithView {
  std::string_view text;
};
struct Empty {};
struct NoDefault {
  explicit NoDefault(int given) : value(given) {}
  int value;
};

static_assert(holds_view<int*>() && holds_view<void (*)()>() && holds_view<std::nullptr_t>());
static_assert(holds_view<std::string_view>() && holds_view<std::span<int>>() &&
              holds_view<std::reference_wrapper<int>>());
static_assert(holds_view<std::pair<int, char*>>() && holds_view<std::tuple<std::tuple<int*>>>() &&
              holds_view<std::optional<int*>>() && holds_view<std::vector<std::string_view>>() &&
              holds_view<std::map<int, const char*>>() && holds_view<std::array<WithPointer, 2>>());
static_assert(holds_view<WithPointer>() && holds_view<Nested>() && holds_view<WithView>());
static_assert(!holds_view<Point>() && !holds_view<Empty>() && !holds_view<NoDefault>() &&
              !holds_view<std::string>() && !holds_view<std::vector<std::string>>() &&
              !holds_view<nlohmann::json>() && !holds_view<std::array<int, 100'000>>());

template <class T>
T travelled(const T& value) {
  std::string bytes;
  wire::put<T>(bytes, value);
  std::string_view rest(bytes);
  T arrived = wire::take<T>(rest);
  CHECK(rest.empty());
  return arrived;
}

TEST_CASE("wire: values come out as they went in") {
  CHECK(travelled(7) == 7);
  CHECK(travelled(Point{1, {2, 3, 4}, "abc"}).y[2] == 4);
  CHECK(travelled(NoDefault(3)).value == 3);
  CHECK(travelled(std::string("a\0\xff", 3)) == std::string("a\0\xff", 3));
  CHECK(travelled(std::vector<int>{1, 2, 3}) == std::vector<int>{1, 2, 3});
  CHECK(travelled(std::vector<bool>{true, false}) == std::vector<bool>{true, false});
  CHECK(travelled(std::vector<std::string>{"a", ""}) == std::vector<std::string>{"a", ""});
  CHECK(travelled(std::optional<std::string>("x")) == "x");
  CHECK(!travelled(std::optional<std::string>()));
  CHECK(travelled(std::tuple<int, std::string>(1, "q")) == std::tuple<int, std::string>(1, "q"));
  CHECK(travelled(std::pair<std::string, int>("q", 1)) == std::pair<std::string, int>("q", 1));
  travelled(Empty{});
  travelled(std::tuple<>{});
}

TEST_CASE("wire: the rest goes as JSON, every byte and number kept") {
  CHECK(travelled(nlohmann::json{{"a", {1, 2.5, nullptr}}}) == nlohmann::json{{"a", {1, 2.5, nullptr}}});
  CHECK(std::isnan(travelled(nlohmann::json(NAN)).get<double>()));
  CHECK(travelled(std::map<std::string, int>{{"\xff", 1}}) == std::map<std::string, int>{{"\xff", 1}});
  CHECK(travelled(std::list<std::string>{"a", "b"}) == std::list<std::string>{"a", "b"});
}

TEST_CASE("wire: a short input is an error, wherever it is cut") {
  using Value = std::tuple<int, std::string, std::vector<std::string>, nlohmann::json>;
  std::string bytes;
  wire::put(bytes, Value(1, "text", {"a", "bc"}, {{"k", "v"}}));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    std::string_view cut(bytes.data(), size);
    CHECK_THROWS(wire::take<Value>(cut));
  }
}

}  // namespace
}  // namespace tine
