#include "core/coroutine/libc_calls.hpp"

#include <dlfcn.h>

namespace tine {
namespace {

template <class F>
void find(F*& call, const char* name) {
  call = reinterpret_cast<F*>(::dlsym(RTLD_NEXT, name));
}

LibcCalls find_all() {
  LibcCalls calls;
  find(calls.connect, "connect");
  find(calls.accept, "accept");
  find(calls.accept4, "accept4");
  find(calls.read, "read");
  find(calls.readv, "readv");
  find(calls.recv, "recv");
  find(calls.recvfrom, "recvfrom");
  find(calls.recvmsg, "recvmsg");
  find(calls.write, "write");
  find(calls.writev, "writev");
  find(calls.send, "send");
  find(calls.sendto, "sendto");
  find(calls.sendmsg, "sendmsg");
  find(calls.close, "close");
  find(calls.poll, "poll");
  find(calls.ppoll, "ppoll");
  find(calls.select, "select");
  find(calls.pselect, "pselect");
  find(calls.sleep, "sleep");
  find(calls.usleep, "usleep");
  find(calls.nanosleep, "nanosleep");
  find(calls.clock_nanosleep, "clock_nanosleep");
  find(calls.getaddrinfo, "getaddrinfo");
  return calls;
}

}  // namespace

const LibcCalls& libc() {
  static const LibcCalls calls = find_all();
  return calls;
}

}  // namespace tine
