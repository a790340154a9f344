#include "tests/support/http_server.hpp"

#include <doctest/doctest.h>
#include <signal.h>
#include <stdlib.h>

#include <filesystem>

#include "tests/support/eventually.hpp"

namespace tine::test {

HttpServer::HttpServer(Kind kind) : kind_(kind) {
  char pattern[] = "/tmp/tine-http-XXXXXX";
  REQUIRE(::mkdtemp(pattern));
  folder_ = pattern;
  std::vector<std::string> argv{"python3", SOURCE_FOLDER "/tests/support/http_server.py", folder_ + "/port"};
  if (kind == Kind::https) {
    const Finished made =
        Running({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                 "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                 "-keyout", folder_ + "/key", "-out", certificate()},
                environment_with({}))
            .wait();
    REQUIRE_MESSAGE(made.exit_status == 0, made.err);
    argv.insert(argv.end(), {certificate(), folder_ + "/key"});
  }
  server_ = Running(argv, environment_with({}));
  REQUIRE_MESSAGE(
      eventually([&] { return server_.has_ended() || !read_whole_file(folder_ + "/port").empty(); }),
      server_.err_so_far());
  port_ = read_whole_file(folder_ + "/port");
  REQUIRE_MESSAGE(!port_.empty(), server_.err_so_far());
}

HttpServer::~HttpServer() {
  server_.kill(SIGKILL);
  std::filesystem::remove_all(folder_);
}

std::string HttpServer::url(const std::string& path) const {
  return (kind_ == Kind::https ? "https://127.0.0.1:" : "http://127.0.0.1:") + port_ + path;
}

}  // namespace tine::test
