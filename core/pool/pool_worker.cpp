#include "core/pool/pool_worker.hpp"

#include <signal.h>
#include <stdio_ext.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "core/base/exception_text.hpp"
#include "core/process/standard_streams.hpp"

namespace tine {
namespace {

/// What a call printed is out before its answer is: a worker may be killed at any time afterwards.
void flush_what_was_printed() {
  std::cout.flush();
  if (__fpending(stdout) != 0) std::fflush(stdout);  // a look without a lock: the usual call prints nothing
}

void run_call(CallRing& ring, std::uint32_t slot, std::string& result) {
  CallRing::Taken call;
  if (const auto read = ring.read_request(slot, call); !read) {
    (void)ring.answer(slot, AnswerKind::error, encode_error("std::system_error", read.error().message()));
    return;
  }
  AnswerKind kind = AnswerKind::value;
  result.clear();
  try {
    reinterpret_cast<Trampoline>(call.code)(static_cast<std::uintptr_t>(call.function), call.arguments,
                                            result);
  } catch (...) {
    const ExceptionText text = current_exception_text();
    kind = AnswerKind::error;
    result = encode_error(text.type, text.message);
  }
  flush_what_was_printed();
  if (const auto answered = ring.answer(slot, kind, result); !answered)
    (void)ring.answer(slot, AnswerKind::error, encode_error("std::system_error", answered.error().message()));
}

}  // namespace

void run_pool_worker(CallRing& ring, std::uint32_t seat, pid_t zygote) {
  // The zygote has one thread, so its death is the process's. It may have died before the first line here.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != zygote) return;
  AdaptiveSpin spin;
  std::string result;
  while (const auto slot = ring.begin(seat, spin)) run_call(ring, *slot, result);
  flush_standard_streams();
}

}  // namespace tine
