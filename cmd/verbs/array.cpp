#include "core/shared/array.hpp"

#include "cmd/print_json.hpp"
#include "cmd/print_table.hpp"
#include "cmd/shared_state.hpp"
#include "cmd/verbs/verbs.hpp"
#include "core/base/quantity.hpp"
#include "core/base/text.hpp"

namespace tine::cmd {
namespace {

using shared::Array;
using shared::Element;

constexpr Subcommand subcommands[] = {
    {"create", 2, any_number, "create NAME TYPE V… or --size N"},
    {"get", 1, 2, "get NAME [I]"},
    {"set", 3, 3, "set NAME I V"},
    {"add", 3, 3, "add NAME I V"},
    {"list", 0, 0, "list"},
    {"rm", 1, 1, "rm NAME"},
};

/// Errors: Errc::absent when there is no such index, Errc::usage when it is no number.
Result<std::uint64_t> parse_index(std::string_view word, const Array& array) {
  const auto index = parse_integer(word, INT64_MIN, INT64_MAX);
  if (!index) return make_error(Errc::usage, "the index: " + index.error().message());
  if (*index >= 0 && static_cast<std::uint64_t>(*index) < array.size())
    return static_cast<std::uint64_t>(*index);
  return make_error(Errc::absent, "index " + std::string(word) + " is out of range; " +
                                      (array.size() ? "allowed: 0 to " + std::to_string(array.size() - 1)
                                                    : std::string("the array is empty")));
}

shared::Json element_json(char code, const Element& element) {
  const auto text = shared::format_element(code, element);
  if (code == 'c' || code == 'u')
    return is_utf8(text) ? shared::Json(text) : shared::Json{{"base64", base64_encode(text)}};
  if (code == 'f') return shared::Json::parse(text, nullptr, false);
  return std::visit([](auto value) { return shared::Json(value); }, element);
}

int print_element(const Invocation& invocation, char code, const Element& element) {
  if (invocation.json) return print_json(element_json(code, element));
  return print_text(shared::format_element(code, element) + "\n");
}

int create(Invocation& invocation, const shared::Folder& folder, const Words& words,
           const std::optional<std::string_view>& size) {
  if (words[1].size() != 1)
    return fail_usage(invocation,
                      "'" + std::string(words[1]) + "' is no type; allowed: c u b B h H i I l L f d");
  const char code = words[1][0];
  if (shared::element_bytes(code) == 0) return fail(invocation, Array::anonymous(code, 0).error());
  if (size.has_value() == (words.size() > 2))
    return fail_usage(invocation, "allowed: values, or --size N, and not both");
  std::vector<Element> elements;
  for (std::size_t i = 2; i < words.size(); ++i) {
    const auto element = shared::parse_element(code, words[i]);
    if (!element) return fail(invocation, element.error());
    elements.push_back(*element);
  }
  const auto count = size ? parse_integer(*size, 0, INT64_MAX)
                          : Result<std::int64_t>(static_cast<std::int64_t>(elements.size()));
  if (!count) return fail_usage(invocation, "--size: " + count.error().message());
  // With its values from the first moment that anybody can see it.
  auto array =
      Array::create(folder, std::string(words[0]), code, static_cast<std::uint64_t>(*count), elements);
  return array ? 0 : fail(invocation, array.error());
}

int list(const Invocation& invocation, const shared::Folder& folder) {
  std::vector<Row> rows{{"NAME", "TYPE", "SIZE"}};
  for (const auto& name : folder.names(shared::Kind::array)) {
    const auto array = Array::open(folder, name);
    if (!array && array.error().code == Errc::absent) continue;
    if (invocation.json) {
      const shared::Json line =
          array
              ? shared::Json{{"name", name}, {"type", std::string(1, array->code())}, {"size", array->size()}}
              : shared::Json{{"name", name}, {"error", array.error().message()}};
      if (const int unwritten = print_json(line)) return unwritten;
    } else {
      rows.push_back({name, array ? std::string(1, array->code()) : "-",
                      array ? std::to_string(array->size()) : array.error().message()});
    }
  }
  return invocation.json ? 0 : print_text(table(rows));
}

int get(const Invocation& invocation, const Array& array, const Words& words) {
  if (words.size() == 2) {
    const auto index = parse_index(words[1], array);
    if (!index) return fail(invocation, index.error());
    return print_element(invocation, array.code(), *array.get(*index));
  }
  shared::Json all = shared::Json::array();
  std::string text;
  for (std::uint64_t i = 0; i < array.size(); ++i) {
    const auto element = *array.get(i);
    if (invocation.json)
      all.push_back(element_json(array.code(), element));
    else
      text += shared::format_element(array.code(), element) + "\n";
  }
  return invocation.json ? print_json(all) : print_text(text);
}

int change(const Invocation& invocation, Array& array, const Words& words, bool adds) {
  const auto index = parse_index(words[1], array);
  if (!index) return fail(invocation, index.error());
  const auto element = shared::parse_element(array.code(), words[2]);
  if (!element) return fail(invocation, element.error());
  if (!adds) {
    const auto set = array.set(*index, *element);
    return set ? 0 : fail(invocation, set.error());
  }
  const auto sum = array.add(*index, *element);
  return sum ? print_element(invocation, array.code(), *sum) : fail(invocation, sum.error());
}

}  // namespace

int array(Invocation& invocation) {
  std::optional<std::string_view> size;
  Options options(
      invocation,
      "array create NAME TYPE V… | create NAME TYPE --size N | get NAME [I] | set NAME I V | add NAME I V | "
      "list | rm NAME",
      "Numbers or characters of one type, in memory that all jobs share. TYPE: c u b B h H i I l L f d.\n"
      "add is atomic and prints the new value. A bad index exits 1.");
  options.value("--size", "N", size, "so many elements, all 0");
  options.numbers_are_words();
  if (const auto over = options.parse()) return *over;
  Words words;
  int exit_code = 0;
  const auto* what = find_subcommand(invocation, options.free_words(), std::begin(subcommands),
                                     std::end(subcommands), words, exit_code);
  if (!what) return exit_code;
  if (size && what->name != "create") return fail_usage(invocation, "--size goes with create");
  const auto folder = shared_folder(invocation);
  if (!folder) return fail(invocation, folder.error());
  if (what->name == "create") return create(invocation, *folder, words, size);
  if (what->name == "list") return list(invocation, *folder);
  if (what->name == "rm") {
    const auto removed = folder->remove(shared::Kind::array, std::string(words[0]));
    return removed ? 0 : fail(invocation, removed.error());
  }
  auto array = Array::open(*folder, std::string(words[0]));
  if (!array) return fail(invocation, array.error());
  return what->name == "get" ? get(invocation, *array, words)
                             : change(invocation, *array, words, what->name == "add");
}

}  // namespace tine::cmd
