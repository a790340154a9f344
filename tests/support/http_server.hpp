#pragma once
#include <string>

#include "tests/support/shell.hpp"

namespace tine::test {

/// http_server.py on 127.0.0.1, for the life of this; its paths are told there.
class HttpServer {
 public:
  enum class Kind { http, https };
  explicit HttpServer(Kind kind = Kind::http);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::string url(const std::string& path) const;
  /// https: the file of its certificate, which signed itself; for 127.0.0.1.
  std::string certificate() const { return folder_ + "/certificate"; }

 private:
  Kind kind_;
  std::string folder_, port_;
  Running server_;
};

}  // namespace tine::test
