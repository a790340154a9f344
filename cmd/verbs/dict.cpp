#include "core/shared/dict.hpp"

#include "cmd/print_json.hpp"
#include "cmd/print_table.hpp"
#include "cmd/shared_state.hpp"
#include "cmd/verbs/verbs.hpp"

namespace tine::cmd {
namespace {

using shared::Dict;

constexpr Subcommand subcommands[] = {
    {"set", 3, 3, "set NAME K V"},
    {"get", 2, 2, "get NAME K"},
    {"del", 2, 2, "del NAME K"},
    {"keys", 1, 1, "keys NAME"},
    {"values", 1, 1, "values NAME"},
    {"items", 1, 1, "items NAME"},
    {"incr", 2, 3, "incr NAME K [N]"},
    {"cas", 4, 4, "cas NAME K OLD NEW"},
    {"pop", 2, 2, "pop NAME K"},
    {"clear", 1, 1, "clear NAME"},
    {"list", 0, 0, "list"},
    {"rm", 1, 1, "rm NAME"},
};

/// One call of the verb: what it was asked for, once its words are read.
struct Call {
  const Invocation& invocation;
  Dict& dict;
  std::string_view what;
  const Words& words;
  ValueWish wish;

  int failed(const Error& error) const { return fail(invocation, error); }
  int print(const shared::Json& value) const { return print_text(value_text(value, invocation.json) + "\n"); }
  int no_key() const {
    return failed(make_error(Errc::absent, std::string(words[0]) + " has no key " + std::string(words[1])));
  }
};

int set(const Call& call, const shared::Key& key) {
  const auto value = parse_value(call.words[2], call.wish);
  if (!value) return call.failed(value.error());
  const auto done = call.dict.set(key, *value);
  return done ? 0 : call.failed(done.error());
}

int get_or_pop(const Call& call, const shared::Key& key) {
  const auto value = call.what == "get" ? call.dict.find(key) : call.dict.pop(key);
  if (!value) return call.failed(value.error());
  return *value ? call.print(**value) : call.no_key();
}

int del(const Call& call, const shared::Key& key) {
  const auto was_there = call.dict.erase(key);
  if (!was_there) return call.failed(was_there.error());
  return *was_there ? 0 : call.no_key();
}

int incr(const Call& call, const shared::Key& key) {
  const auto by = call.words.size() == 3 ? parse_value(call.words[2], ValueWish::json_or_string)
                                         : Result<shared::Json>(shared::Json(1));
  if (!by) return call.failed(by.error());
  const auto sum = call.dict.incr(key, *by);
  return sum ? call.print(*sum) : call.failed(sum.error());
}

int cas(const Call& call, const shared::Key& key) {
  const auto expected = parse_value(call.words[2], call.wish), next = parse_value(call.words[3], call.wish);
  if (!expected) return call.failed(expected.error());
  if (!next) return call.failed(next.error());
  const auto matched = call.dict.cas(key, *expected, *next);
  if (!matched) return call.failed(matched.error());
  return *matched ? 0
                  : call.failed(make_error(Errc::absent, "the value is not " + std::string(call.words[2])));
}

/// keys, values and items, of one moment.
int print_all(const Call& call) {
  const auto items = call.dict.items();
  if (!items) return call.failed(items.error());
  const bool json = call.invocation.json;
  std::string text;
  for (const auto& [key, value] : *items) {
    if (call.what == "keys")
      text += value_text(key_json(key), json);
    else if (call.what == "values")
      text += value_text(value, json);
    else if (json)
      text += shared::Json::array({key_json(key), value})
                  .dump(-1, ' ', false, shared::Json::error_handler_t::replace);
    else
      text += value_text(key_json(key), json) + "\t" + value_text(value, json);
    text += '\n';
  }
  return print_text(text);
}

int list(const Invocation& invocation, const shared::Folder& folder) {
  std::vector<Row> rows{{"NAME", "SIZE"}};
  for (const auto& name : folder.names(shared::Kind::dict)) {
    auto dict = Dict::open(folder, name);
    const auto size = dict ? dict->size() : Result<std::uint64_t>(dict.error());
    if (!size && size.error().code == Errc::absent) continue;
    if (invocation.json) {
      const shared::Json line = size ? shared::Json{{"name", name}, {"size", *size}}
                                     : shared::Json{{"name", name}, {"error", size.error().message()}};
      if (const int unwritten = print_json(line)) return unwritten;
    } else {
      rows.push_back({name, size ? std::to_string(*size) : size.error().message()});
    }
  }
  return invocation.json ? 0 : print_text(table(rows));
}

int with_key(const Call& call) {
  const auto key = parse_key(call.words[1], call.wish);
  if (!key) return call.failed(key.error());
  if (call.what == "set") return set(call, *key);
  if (call.what == "del") return del(call, *key);
  if (call.what == "incr") return incr(call, *key);
  if (call.what == "cas") return cas(call, *key);
  return get_or_pop(call, *key);
}

}  // namespace

int dict(Invocation& invocation) {
  bool string = false;
  Options options(invocation,
                  "dict set NAME K V | get|del|pop NAME K | keys|values|items NAME | incr NAME K [N] | cas "
                  "NAME K OLD NEW | "
                  "clear|rm NAME | list",
                  "Values by key, in memory that all jobs share; each call is atomic. A value or key is JSON "
                  "if it parses "
                  "as JSON, else a string.\nAn absent key, and a cas whose OLD does not match, exit 1.");
  options.flag("--string", string, "take values and keys as strings, whatever they look like");
  options.numbers_are_words();
  if (const auto over = options.parse()) return *over;
  Words words;
  int exit_code = 0;
  const auto* what = find_subcommand(invocation, options.free_words(), std::begin(subcommands),
                                     std::end(subcommands), words, exit_code);
  if (!what) return exit_code;
  const auto folder = shared_folder(invocation);
  if (!folder) return fail(invocation, folder.error());
  if (what->name == "list") return list(invocation, *folder);
  const std::string name(words[0]);
  if (what->name == "rm") {
    const auto removed = folder->remove(shared::Kind::dict, name);
    return removed ? 0 : fail(invocation, removed.error());
  }
  const bool makes = what->name == "set" || what->name == "incr";
  auto dict = makes ? Dict::open_or_create(*folder, name) : Dict::open(*folder, name);
  if (!dict) return fail(invocation, dict.error());
  const Call call{invocation, *dict, what->name, words,
                  string ? ValueWish::string : ValueWish::json_or_string};
  if (what->words_most > 1) return with_key(call);
  if (what->name != "clear") return print_all(call);
  const auto cleared = dict->clear();
  return cleared ? 0 : fail(invocation, cleared.error());
}

}  // namespace tine::cmd
