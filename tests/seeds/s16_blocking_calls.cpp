// S16: ordinary blocking code switches by itself at I/O. The URLs are the arguments; f knows nothing of tine.
#include <curl/curl.h>

#include <iostream>
#include <string>
#include <tine/coroutine.hpp>
#include <vector>

std::size_t append(char* data, std::size_t size, std::size_t count, void* body) {
  static_cast<std::string*>(body)->append(data, size * count);
  return size * count;
}

void f(const std::string& url) {
  std::cout << "GET: " << url << "\n";
  CURL* const handle = curl_easy_init();
  std::string data;
  curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, append);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &data);
  if (const char* file = std::getenv("SSL_CERT_FILE")) curl_easy_setopt(handle, CURLOPT_CAINFO, file);
  const CURLcode code = curl_easy_perform(handle);
  if (code != CURLE_OK) std::cout << curl_easy_strerror(code) << "\n";
  std::cout << data.size() << " bytes received from " << url << ".\n";
  curl_easy_cleanup(handle);
}

int main(int argc, char** argv) {
  curl_global_init(CURL_GLOBAL_DEFAULT);
  std::vector<tine::Task<void>> tasks;
  for (int i = 1; i < argc; ++i) tasks.push_back(tine::spawn(f, std::string(argv[i])));
  tine::join_all(tasks);
}
