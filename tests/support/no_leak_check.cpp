// Under the address sanitizer, for programs that end without unwinding: tine, to which a look for leaks costs
// more than all it does for one request, and tined, which leaves its sessions' fibers where they wait.
extern "C" int __lsan_is_turned_off();
extern "C" int __lsan_is_turned_off() { return 1; }
