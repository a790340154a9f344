#include <iostream>
#include <stdexcept>
#include <string>
#include <tine/pool.hpp>
#include <tuple>
#include <vector>

int Foo(int i) { return i + 100; }
std::string repeat(std::string text, int times) {
  std::string all;
  while (times-- > 0) all += text;
  return all;
}

int main() {
  tine::Pool pool(5);
  try {
    pool.join();
  } catch (const std::logic_error&) {
    std::cout << "join before close is an error\n";
  }
  const std::vector<int> range{0, 1, 2};
  for (int x : pool.map(Foo, range)) std::cout << x << ' ';
  for (int x : pool.imap(Foo, range)) std::cout << x << ' ';
  int sum = 0;
  for (int x : pool.imap_unordered(Foo, range)) sum += x;
  std::cout << sum << '\n';
  for (const auto& text : pool.starmap(repeat, std::vector<std::tuple<std::string, int>>{{"a", 2}, {"b", 3}}))
    std::cout << text << '\n';
  pool.close();
  pool.join();
  try {
    pool.apply(Foo, 1);
  } catch (const std::logic_error&) {
    std::cout << "closed\n";
  }
  pool.terminate();
}
