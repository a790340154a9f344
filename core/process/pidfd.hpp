#pragma once
#include <signal.h>

// glibc 2.36 declares these without extern "C"; a C++ program would look for mangled names.
extern "C" {
#include <sys/pidfd.h>
}
