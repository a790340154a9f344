// S06: a Queue with three items, ten processes that get one: three print theirs, seven go on waiting.
#include <iostream>
#include <list>
#include <tine/process.hpp>
#include <tine/shared.hpp>

using namespace std::chrono_literals;

void f(int i, tine::SharedQueue& q, tine::SharedQueue& printed) {
  const auto value = q.get();
  printed.put({i, value});
}

int main() {
  tine::SharedQueue q, printed;
  q.put("h1");
  q.put("h2");
  q.put("h3");
  std::list<tine::Process> processes;
  for (int i = 0; i < 10; ++i) processes.emplace_back([&, i] { f(i, q, printed); }).start();
  std::vector<std::string> values;
  for (int i = 0; i < 3; ++i) values.push_back(printed.get()[1]);
  std::sort(values.begin(), values.end());
  for (const auto& value : values) std::cout << value << "\n";
  if (!printed.get(300ms) && q.empty()) std::cout << "and no more\n";
  int waiting = 0;
  for (auto& p : processes) {
    if (p.join(1s)) continue;
    ++waiting;
    p.terminate();
    p.join();
  }
  std::cout << waiting << " were waiting\n";
}
