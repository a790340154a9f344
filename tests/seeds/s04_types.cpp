// S04: the type table c u b B h H i I l L f d: sizes as ctypes has them; a child sets the least and the
// greatest value of each, the parent reads them back.
#include <cstdio>
#include <limits>
#include <tine/process.hpp>
#include <tine/shared.hpp>

template <class T>
void row(char code) {
  using Limits = std::numeric_limits<T>;
  tine::SharedArray<T> array(2);
  tine::Process child([&] {
    array[0] = Limits::lowest();
    array[1] = Limits::max();
  });
  child.start();
  child.join();
  bool refused = false;
  if constexpr (std::is_integral_v<T>) {
    try {
      array.add(1, 1);
    } catch (const std::out_of_range&) {
      refused = array[1] == Limits::max();
    }
  } else {
    refused = true;  // one past them is infinity, as in C
  }
  const bool reads_back = array[0] == Limits::lowest() && array[1] == Limits::max();
  std::printf("%c %zu %s %s\n", code, sizeof(T), reads_back ? "reads back" : "DIFFERS",
              refused ? "refuses one past" : "OVERFLOWS");
}

int main() {
  row<char>('c');
  row<wchar_t>('u');
  row<signed char>('b');
  row<unsigned char>('B');
  row<short>('h');
  row<unsigned short>('H');
  row<int>('i');
  row<unsigned>('I');
  row<long>('l');
  row<unsigned long>('L');
  row<float>('f');
  row<double>('d');
}
