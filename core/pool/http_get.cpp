#include "core/pool/http_get.hpp"

#include <curl/curl.h>

#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "core/base/text.hpp"
#include "core/tine/coroutine.hpp"

namespace tine {
namespace {

constexpr std::size_t default_bytes_max = 2u << 20, bytes_max_max = 1u << 30;
constexpr double default_timeout_s = 60, timeout_s_max = 1e6;
constexpr long redirects_max = 20;
constexpr std::size_t idle_handles_max = 64;

struct Authorities {
  std::string file, folder;
};

struct Request {
  std::string url, method, body;
  bool has_body = false;
  std::vector<std::string> headers;
  double timeout_s = default_timeout_s;
  std::size_t bytes_max = default_bytes_max;
};

CallResult failure(const std::string& type, const std::string& message) { return {"", type, message}; }

/// Nothing: it was read.
std::optional<CallResult> read_option(const std::string& name, const Json& value, Request& request) {
  if (name == "headers") {
    if (!value.is_object()) return failure("TypeError", "headers: an object of strings");
    for (const auto& [key, text] : value.items()) {
      if (!text.is_string()) return failure("TypeError", "headers: " + key + " is no string");
      const std::string line = key + ": " + text.get<std::string>();
      if (key.empty() || line.find_first_of("\r\n") != std::string::npos ||
          line.find('\0') != std::string::npos)
        return failure("ValueError", "headers: a name or value that cannot be sent");
      // curl's way to say a header without a value
      request.headers.push_back(text.get<std::string>().empty() ? key + ";" : line);
    }
  } else if (name == "method" || name == "body") {
    if (!value.is_string()) return failure("TypeError", name + ": a string");
    (name == "method" ? request.method : request.body) = value.get<std::string>();
    if (name == "body") request.has_body = true;
  } else if (name == "timeout_s") {
    if (!value.is_number()) return failure("TypeError", "timeout_s: a number of seconds");
    request.timeout_s = value.get<double>();
    if (!(request.timeout_s > 0) || request.timeout_s > timeout_s_max)
      return failure("ValueError", "timeout_s: above 0, at most 1000000");
  } else if (name == "max_bytes") {
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() > bytes_max_max)
      return failure("ValueError", "max_bytes: from 0 to 1073741824");
    request.bytes_max = value.get<std::size_t>();
  } else {
    return failure("ValueError",
                   name + " is no option; allowed: headers, method, body, timeout_s, max_bytes");
  }
  return std::nullopt;
}

std::optional<CallResult> read_arguments(const std::string& args_json, Request& request) {
  const Json args = Json::parse(args_json, nullptr, false);
  if (!args.is_array() || args.empty() || args.size() > 2 || !args[0].is_string() ||
      (args.size() == 2 && !args[1].is_object()))
    return failure("TypeError", "http.get takes a URL, a string, and options, an object");
  request.url = args[0].get<std::string>();
  if (args.size() == 2)
    for (const auto& [name, value] : args[1].items())
      if (auto wrong = read_option(name, value, request)) return wrong;
  if (request.method.empty()) request.method = request.has_body ? "POST" : "GET";
  if (request.method.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ") != std::string::npos)
    return failure("ValueError", "method: capital letters");
  return std::nullopt;
}

struct Received {
  std::string body;
  std::size_t bytes_max;
  bool too_large = false;
};

std::size_t receive(char* data, std::size_t size, std::size_t count, void* context) {
  auto& received = *static_cast<Received*>(context);
  if (received.body.size() + size * count > received.bytes_max) {
    received.too_large = true;
    return CURL_WRITEFUNC_ERROR;
  }
  received.body.append(data, size * count);
  return size * count;
}

/// Handles keep their connections, and the authorities once read, which take longer than most answers.
struct IdleHandles {
  std::vector<CURL*> all;
  ~IdleHandles() {
    for (CURL* handle : all) ::curl_easy_cleanup(handle);
  }
};
thread_local IdleHandles idle;

class Handle {
 public:
  Handle() {
    if (idle.all.empty()) {
      handle_ = ::curl_easy_init();
    } else {
      handle_ = idle.all.back();
      idle.all.pop_back();
    }
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  /// Only one whose transfer came to its end is used again.
  ~Handle() {
    if (!is_whole || idle.all.size() >= idle_handles_max) {
      ::curl_easy_cleanup(handle_);  // of nullptr: nothing
    } else {
      ::curl_easy_reset(handle_);
      idle.all.push_back(handle_);
    }
  }
  CURL* get() const { return handle_; }
  bool is_whole = false;

 private:
  CURL* handle_;
};

using HeaderList = std::unique_ptr<curl_slist, void (*)(curl_slist*)>;

HeaderList header_list(const std::vector<std::string>& lines) {
  HeaderList list(nullptr, &::curl_slist_free_all);
  for (const std::string& line : lines) {
    curl_slist* const longer = ::curl_slist_append(list.get(), line.c_str());
    if (!longer) throw std::bad_alloc();
    (void)list.release();
    list.reset(longer);
  }
  return list;
}

void set_up(CURL* handle, const Request& request, const Authorities& authorities) {
  ::curl_easy_setopt(handle, CURLOPT_URL, request.url.c_str());
  ::curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  ::curl_easy_setopt(handle, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  ::curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 1L);
  ::curl_easy_setopt(handle, CURLOPT_MAXREDIRS, redirects_max);
  ::curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  ::curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout_s * 1000) + 1);
  ::curl_easy_setopt(handle, CURLOPT_USERAGENT, "tine");
  if (!authorities.file.empty()) ::curl_easy_setopt(handle, CURLOPT_CAINFO, authorities.file.c_str());
  if (!authorities.folder.empty()) ::curl_easy_setopt(handle, CURLOPT_CAPATH, authorities.folder.c_str());
  if (request.has_body) {
    ::curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    ::curl_easy_setopt(handle, CURLOPT_POSTFIELDS, request.body.data());
  }
  // A method set by name is kept at a redirect, so the usual ones are set by their own options.
  if (request.method == "HEAD")
    ::curl_easy_setopt(handle, CURLOPT_NOBODY, 1L);
  else if (request.method == "POST" && !request.has_body)
    ::curl_easy_setopt(handle, CURLOPT_COPYPOSTFIELDS, "");
  else if (request.method != (request.has_body ? "POST" : "GET"))
    ::curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str());
}

std::string error_type(CURLcode code) {
  switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return "ValueError";
    case CURLE_OPERATION_TIMEDOUT:
      return "TimeoutError";
    case CURLE_TOO_MANY_REDIRECTS:
      return "TooManyRedirects";
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
      return "SSLError";
    default:
      return "ConnectionError";
  }
}

CallResult http_get(const Authorities& authorities, const std::string& args_json) {
  Request request;
  if (auto wrong = read_arguments(args_json, request)) return *wrong;
  Received received{.bytes_max = request.bytes_max};
  const HeaderList headers = header_list(request.headers);
  char message[CURL_ERROR_SIZE] = "";
  Handle handle;
  if (!handle.get()) throw std::bad_alloc();
  set_up(handle.get(), request, authorities);
  ::curl_easy_setopt(handle.get(), CURLOPT_HTTPHEADER, headers.get());
  ::curl_easy_setopt(handle.get(), CURLOPT_ERRORBUFFER, message);
  ::curl_easy_setopt(handle.get(), CURLOPT_WRITEFUNCTION, receive);
  ::curl_easy_setopt(handle.get(), CURLOPT_WRITEDATA, &received);

  const CURLcode code = c_calls([&] { return ::curl_easy_perform(handle.get()); });
  if (received.too_large)
    return failure("TooLarge", "the body is longer than max_bytes, " + std::to_string(request.bytes_max));
  if (code != CURLE_OK) return failure(error_type(code), *message ? message : ::curl_easy_strerror(code));
  handle.is_whole = true;
  long status = 0;
  ::curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &status);
  Json result{{"status", status}, {"bytes", received.body.size()}, {"body", nullptr}};
  if (is_utf8(received.body))
    result["body"] = std::move(received.body);
  else
    result["body_base64"] = base64_encode(received.body);
  return {result.dump(), "", ""};
}

std::string from_environment(const char* name) {
  const char* const value = std::getenv(name);
  return value ? value : "";
}

}  // namespace

Functions::Function make_http_get() {
  ::curl_global_init(CURL_GLOBAL_DEFAULT);
  Authorities authorities{from_environment("SSL_CERT_FILE"), from_environment("SSL_CERT_DIR")};
  if (authorities.file.empty()) authorities.file = from_environment("CURL_CA_BUNDLE");
  return [authorities](const std::string& args_json) { return http_get(authorities, args_json); };
}

}  // namespace tine
