#pragma once
#include <netdb.h>
#include <poll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

namespace tine {

/// The next definitions after ours of the calls in blocking_calls.cpp: libc's, or the address sanitizer's.
struct LibcCalls {
  decltype(&::connect) connect;
  decltype(&::accept) accept;
  decltype(&::accept4) accept4;
  decltype(&::read) read;
  decltype(&::readv) readv;
  decltype(&::recv) recv;
  decltype(&::recvfrom) recvfrom;
  decltype(&::recvmsg) recvmsg;
  decltype(&::write) write;
  decltype(&::writev) writev;
  decltype(&::send) send;
  decltype(&::sendto) sendto;
  decltype(&::sendmsg) sendmsg;
  decltype(&::close) close;
  decltype(&::poll) poll;
  decltype(&::ppoll) ppoll;
  decltype(&::select) select;
  decltype(&::pselect) pselect;
  decltype(&::sleep) sleep;
  decltype(&::usleep) usleep;
  decltype(&::nanosleep) nanosleep;
  decltype(&::clock_nanosleep) clock_nanosleep;
  decltype(&::getaddrinfo) getaddrinfo;
};

const LibcCalls& libc();

}  // namespace tine
