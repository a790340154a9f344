// Each line marked `refused` must not compile; refused.sh looks for an error that names it. One a line:
// clang-format off
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <tine/pool.hpp>
#include <vector>

struct Holder {
  int size;
  const char* text;
};

void lines(tine::Pool& pool) {
  int local = 1;
  const int captured = 2;
  pool.apply([](std::string text) { return text; }, "literals are fine");
  pool.apply([](int* p) { return *p; }, &local);                                  // refused
  pool.apply([](std::string_view v) { return v.size(); }, std::string("x"));      // refused
  pool.apply([](std::span<int> s) { return s.size(); }, std::vector<int>{1});     // refused
  pool.apply([](int i) { return i; }, std::ref(local));                           // refused
  pool.apply([](Holder h) { return h.size; }, Holder{});                          // refused
  pool.apply([](std::tuple<int, Holder> t) { return std::get<0>(t); }, std::tuple<int, Holder>());  // refused
  pool.apply([]() -> const char* { return "x"; });                                // refused
  pool.apply([](int& i) { ++i; }, local);                                         // refused
  pool.apply([captured](int i) { return i + captured; }, 1);                      // refused
  pool.apply_async([](std::vector<int*> v) { return v.size(); }, std::vector<int*>{});  // refused
  pool.map([](const char* text) { return *text; }, std::vector<const char*>{"x"});      // refused
}
