#pragma once
#include <cstdlib>
#include <filesystem>
#include <string>

namespace tine::test {

/// An empty folder, gone with what is in it at the end of its scope.
struct TempFolder {
  TempFolder() {
    char name[] = "/tmp/tine-test-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~TempFolder() { std::filesystem::remove_all(path); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  std::string path;
};

}  // namespace tine::test
