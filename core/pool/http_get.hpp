#pragma once
#include "core/pool/functions.hpp"

namespace tine {

/// http.get: (url[, options]) -> {"status", "bytes", "body"}; a body that is no UTF-8 is null and comes as
/// "body_base64". http and https, at most 20 redirects, certificates verified. Any status is a result.
///
/// Options: "headers" {name: value}, "method" (GET; POST where there is a body), "body", "timeout_s" (60),
/// "max_bytes" (2 MiB; at most 1 GiB) of the answer's body.
/// Errors: TypeError, ValueError (arguments; a URL that is none), TimeoutError, ConnectionError (no such
/// host, refused, broken off), SSLError, TooLarge, TooManyRedirects.
///
/// In a task of a program with tine::coroutine it gives way; a kill or Timeout is thrown out of it. What
/// SSL_CERT_FILE, else CURL_CA_BUNDLE, and SSL_CERT_DIR name in the environment at the time of this call is
/// taken as the authorities. Call it before the first thread or fork.
Functions::Function make_http_get();

}  // namespace tine
