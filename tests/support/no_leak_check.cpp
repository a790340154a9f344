// Linked to what lives for one request, under the address sanitizer: to look for leaks costs it more than all
// it does.
extern "C" int __lsan_is_turned_off();
extern "C" int __lsan_is_turned_off() { return 1; }
