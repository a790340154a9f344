// S08: RLock round temp[0] = 100+i and the prints, 20 processes: blocks of four lines that nothing
// interleaves.
#include <unistd.h>

#include <cstdio>
#include <list>
#include <mutex>
#include <tine/process.hpp>
#include <tine/shared.hpp>

void foo(tine::RLock& lock, tine::SharedArray<int>& temp, int i) {
  lock.acquire();
  temp[0] = 100 + i;
  for (int item : temp) {
    std::lock_guard again(lock);  // re-entrant
    std::printf("%d -----> %d\n", i, item);
    std::fflush(stdout);
    ::usleep(200);  // an invitation to whoever does not wait
  }
  lock.release();
}

int main() {
  tine::RLock lock;
  tine::SharedArray<int> temp{11, 22, 33, 44};
  std::list<tine::Process> processes;
  for (int i = 0; i < 20; ++i) processes.emplace_back([&, i] { foo(lock, temp, i); }).start();
  for (auto& p : processes) p.join();
}
