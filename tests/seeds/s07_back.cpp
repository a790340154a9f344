// S07: "shared data goes into the child when it is created, and the value is assigned back when it ends".
// With tine the parent sees it at once, so after join too.
#include <cstdio>
#include <tine/process.hpp>
#include <tine/shared.hpp>

int main() {
  tine::SharedArray<double> shared{1.5, 2.5};
  int own = 1;
  tine::SharedQueue set, seen;
  tine::Process p([&] {
    shared[0] = 42;
    own = 2;
    set.put(true);
    seen.get();  // alive until the parent has looked
    shared[1] += own;
  });
  p.start();
  set.get();
  std::printf("while it runs: %g %g, own %d\n", double(shared[0]), double(shared[1]), own);
  seen.put(true);
  p.join();
  std::printf("after join: %g %g, own %d\n", double(shared[0]), double(shared[1]), own);
}
