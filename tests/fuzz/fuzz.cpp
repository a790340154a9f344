// Everything that parses bytes from outside, fed with mutations of good input. Without coverage feedback, but
// with the sanitizers and with what must hold for any input. `tine_fuzz CORPUS [--seconds N] [--seed S]
// [--last FILE]`: FILE always has the input that is being tried, so that a crash can be looked at: `tine_fuzz
// CORPUS --replay FILE`.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <random>

#include "core/base/file.hpp"
#include "tests/fuzz/targets.hpp"

namespace tine::fuzz {
namespace {

constexpr std::size_t input_bytes_max = 256u << 10;

/// What tends to matter in this project's inputs.
const std::vector<std::string> words = {"\"id\":",
                                        "\"jsonrpc\":\"2.0\"",
                                        "\"method\":\"submit\"",
                                        "\"params\":",
                                        "\"command\":[",
                                        "\"env\":{",
                                        "{\"base64\":\"AA==\"}",
                                        "\"ids\":[",
                                        "[[[[[[[[",
                                        "}}}}",
                                        "null",
                                        "-1",
                                        "18446744073709551616",
                                        "1e999",
                                        "0.0000001",
                                        "\\u0000",
                                        "\\ud800",
                                        "\"",
                                        "\n",
                                        "\r\n",
                                        "\xff",
                                        "\xc0\x80",
                                        "\xed\xa0\x80",
                                        "//",
                                        "/*",
                                        "500ms",
                                        "30s",
                                        "1d",
                                        "inf",
                                        "nan",
                                        "0x10",
                                        "64K",
                                        "99999999999G",
                                        "2026-11-23T06:39:00Z",
                                        "+14:00",
                                        "9999-99-99",
                                        std::string(1, '\0'),
                                        std::string(4, '\xff'),
                                        std::string(70, '['),
                                        std::string(300, 'a')};

using Random = std::mt19937_64;

std::size_t below(Random& random, std::size_t bound) { return bound == 0 ? 0 : random() % bound; }

void mutate_once(Random& random, std::string& text, const std::vector<std::string>& corpus) {
  const std::size_t at = below(random, text.size() + 1), size = 1 + below(random, 16);
  switch (below(random, 9)) {
    case 0:
      if (at < text.size()) text[at] = static_cast<char>(text[at] ^ (1 << below(random, 8)));
      break;
    case 1:
      if (at < text.size()) text[at] = static_cast<char>(random());
      break;
    case 2:
      text.insert(at, words[below(random, words.size())]);
      break;
    case 3:
      text.erase(at, size);
      break;
    case 4:
      text.insert(at, text.substr(below(random, text.size() + 1), size * 4));
      break;
    case 5:
      text.resize(at);
      break;
    case 6: {
      const auto& other = corpus[below(random, corpus.size())];
      text = text.substr(0, at) + other.substr(below(random, other.size() + 1));
      break;
    }
    case 7:
      // A length or count that lies.
      if (at + 4 <= text.size()) {
        const std::uint32_t number = static_cast<std::uint32_t>(random() >> below(random, 64));
        std::memcpy(text.data() + at, &number, sizeof number);
      }
      break;
    default:
      text.replace(at, std::min(size, text.size() - at), words[below(random, words.size())]);
  }
  if (text.size() > input_bytes_max) text.resize(input_bytes_max);
}

/// The input at work, in a file that survives this process: u32 target, u32 size, bytes.
class LastInput {
 public:
  explicit LastInput(const char* path) {
    const int fd = path ? ::open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
    if (fd < 0 || ::ftruncate(fd, input_bytes_max + 8) < 0) return;
    void* memory = ::mmap(nullptr, input_bytes_max + 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory != MAP_FAILED) memory_ = static_cast<char*>(memory);
    ::close(fd);
  }
  void set(std::uint32_t target, const std::string& input) {
    if (!memory_) return;
    const auto size = static_cast<std::uint32_t>(input.size());
    std::memcpy(memory_, &target, sizeof target);
    std::memcpy(memory_ + 4, &size, sizeof size);
    std::memcpy(memory_ + 8, input.data(), input.size());
  }

 private:
  char* memory_ = nullptr;
};

std::vector<std::string> read_corpus(const std::string& folder, const Target& target) {
  std::vector<std::string> corpus = target.seeds();
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder + "/" + target.name, error))
    if (auto text = read_file(entry.path())) corpus.push_back(std::move(*text));
  if (corpus.empty()) corpus.emplace_back();
  return corpus;
}

int replay(const char* path) {
  const auto bytes = read_file(path);
  std::uint32_t target = 0, size = 0;
  if (!bytes || bytes->size() < 8) return 2;
  std::memcpy(&target, bytes->data(), 4);
  std::memcpy(&size, bytes->data() + 4, 4);
  std::printf("target %s, %u bytes\n", targets()[target].name, size);
  targets()[target].run(bytes->substr(8, size));
  return 0;
}

}  // namespace
}  // namespace tine::fuzz

int main(int argc, char** argv) {
  using namespace tine::fuzz;
  double seconds = 10;
  std::uint64_t seed = std::random_device()();
  const char* last_path = nullptr;
  if (argc < 2) return 2;
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string_view option = argv[i];
    if (option == "--seconds") seconds = std::atof(argv[i + 1]);
    if (option == "--seed") seed = std::strtoull(argv[i + 1], nullptr, 10);
    if (option == "--last") last_path = argv[i + 1];
    if (option == "--replay") return replay(argv[i + 1]);
  }
  std::printf("seed %llu, %.0f s\n", static_cast<unsigned long long>(seed), seconds);
  std::fflush(stdout);
  Random random(seed);
  LastInput last(last_path);
  std::vector<std::vector<std::string>> corpora;
  for (const auto& target : targets()) corpora.push_back(read_corpus(argv[1], target));
  std::vector<std::uint64_t> runs(targets().size());
  const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  const auto try_input = [&](std::uint32_t which, const std::string& input) {
    last.set(which, input);
    targets()[which].run(input);
    ++runs[which];
  };
  for (std::uint32_t which = 0; which < targets().size(); ++which)
    for (const auto& input : corpora[which]) try_input(which, input);
  while (std::chrono::steady_clock::now() < until) {
    for (std::uint32_t which = 0; which < targets().size(); ++which) {
      std::string input = corpora[which][below(random, corpora[which].size())];
      for (std::size_t times = 1 + below(random, 6); times > 0; --times)
        mutate_once(random, input, corpora[which]);
      try_input(which, input);
    }
  }
  for (std::size_t which = 0; which < targets().size(); ++which)
    std::printf("%-14s %llu inputs, %zu in the corpus\n", targets()[which].name,
                static_cast<unsigned long long>(runs[which]), corpora[which].size());
}
