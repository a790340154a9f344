#pragma once
#include <stddef.h>

/// The C ABI between tined and a module: a shared object that exports `tine_module_load_v1`. Any language can make one.
#ifdef __cplusplus
extern "C" {
#endif

/// Takes the answer of a call: JSON text, valid only during the call of it.
typedef void (*tine_reply_v1)(void* context, const char* json, size_t size);

/// A function. `args` is a JSON array. Gives back 0 after a reply with the result, 1 after a reply with
/// {"type":"...","message":"..."}. It must not throw nor longjmp through its caller.
typedef int (*tine_function_v1)(void* state, const char* args, size_t size, tine_reply_v1 reply, void* context);

typedef struct tine_registrar_v1 {
  void* context;
  /// 0: registered. `name` is copied; `state` is handed to each call and must live as long as the process.
  int (*add)(void* context, const char* name, tine_function_v1 function, void* state);
} tine_registrar_v1;

/// The one exported symbol. Gives back 0 when all is registered.
typedef int (*tine_module_load_v1_t)(const tine_registrar_v1* registrar);

#ifdef __cplusplus
}
#endif
