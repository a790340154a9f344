#include "core/coroutine/stack.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <new>
#include <vector>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

namespace tine {
namespace {

constexpr std::size_t guard_bytes = 4096;

void unmap(char* bottom) { ::munmap(bottom - guard_bytes, guard_bytes + Stack::bytes); }

/// A new stack costs two system calls and its page faults, several times what a short task costs.
struct Cache {
  std::vector<char*> bottoms;
  bool closed = false;
  ~Cache() {
    closed = true;
    if (::gettid() == ::getpid()) return;  // the process ends
    for (char* bottom : bottoms) unmap(bottom);
  }
};
thread_local Cache cache;

}  // namespace

Stack Stack::take() {
  if (!cache.closed && !cache.bottoms.empty()) {
    char* const bottom = cache.bottoms.back();
    cache.bottoms.pop_back();
    return {bottom};
  }
  void* const memory = ::mmap(nullptr, guard_bytes + bytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  if (::mprotect(memory, guard_bytes, PROT_NONE) < 0) {
    ::munmap(memory, guard_bytes + bytes);
    throw std::bad_alloc();
  }
  return {static_cast<char*>(memory) + guard_bytes};
}

void Stack::give_back() {
#ifdef __SANITIZE_ADDRESS__
  __asan_unpoison_memory_region(bottom, bytes);  // frames that never returned left their red zones
#endif
  if (cache.closed || cache.bottoms.size() >= cached_max)
    unmap(bottom);
  else
    cache.bottoms.push_back(bottom);
  bottom = nullptr;
}

}  // namespace tine
